"""What is wrong with a command line, in one line: what was found, what was expected."""

from __future__ import annotations

import difflib
import re
import shlex
import typing
from collections.abc import Iterable
from typing import Any

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.argument import Argument

_FORMER_FLAGS = re.compile(r"--flags(?:\.([a-z_-]+))?")
_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}
_LONGEST_SHOWN = 60
_LONG_DASHES = ("—", "–")  # what text programs make of two dashes


def parser_message(error: CycloptsError) -> str:
    """Say in one line what the parser found wrong with a command line."""
    if isinstance(error, UnknownOptionError):
        return _unknown_option(error)
    if isinstance(error, UnusedCliTokensError):
        words = error.unused_tokens or [""]
        if words[0].startswith(_LONG_DASHES):
            return _unknown(words[0].partition("=")[0], _names(error))
        return f"These words belong to no option: {shlex.join(words)}."
    if isinstance(error, CoercionError) and (message := _wrong_value(error)):
        return message
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return _missing(error, error.argument)
    if isinstance(error, RepeatArgumentError) and error.token.keyword:
        return f"{error.token.keyword} is given twice; expected it once."
    return " ".join(str(error).split()).replace("positional arguments", "values")


def _missing(error: MissingArgumentError, argument: Argument) -> str:
    """A value that does not follow its option, or all options that are missing."""
    name = error.keyword or argument.name
    if error.keyword or argument.tokens:
        count, found = argument.token_count()[0], len(error.tokens_so_far)
        if count > 1:
            return f"{name}: expected {count} values after it, found {found}."
        return f"{name}: found no value, expected one after it."
    collection = error.app.assemble_argument_collection() if error.app else ()
    names = _names(error)
    # A word that is no option is more likely the mistake.
    for word in error.unused_tokens or ():
        if word.startswith(("-", *_LONG_DASHES)) and word not in names:
            return _unknown(word.partition("=")[0], names)
    missing = [one.name for one in collection if one.required and not one.tokens and one.parse]
    missing = [one for one in missing if one not in _given(error)] or [name]
    return f"missing option{'s' if len(missing) > 1 else ''}: {', '.join(missing)}."


def _names(error: CycloptsError) -> list[str]:
    """The names of the command's options."""
    collection = error.app.assemble_argument_collection() if error.app else ()
    return [name for one in collection for name in one.names]


def _given(error: CycloptsError) -> set[str]:
    return {word.partition("=")[0] for word in error.root_input_tokens or ()}


def _unknown_option(error: UnknownOptionError) -> str:
    word = (error.token.keyword or error.token.value).partition("=")[0]
    return _unknown(word, (name for argument in error.argument_collection for name in argument.names))


def _unknown(word: str, names: Iterable[str]) -> str:
    if former := _FORMER_FLAGS.match(word):
        step = former[1] or "STEP"
        return f"{former[0]} is no longer an option: options of steps are given by --set {step}.OPTION=VALUE."
    meant = _nearest(word, names)
    return f"{word} is no option of this command{f'; did you mean {meant}?' if meant else '.'}"


def _nearest(word: str, names: Iterable[str]) -> str:
    """The option that a word may have been meant for: with other dashes, in capitals, misspelt; "" without one."""
    by_letters = {name.strip("-"): name for name in names}
    matches = difflib.get_close_matches(word.strip("-—–").lower().replace("_", "-"), by_letters, 1, 0.7)
    return by_letters[matches[0]] if matches else ""


def _wrong_value(error: CoercionError) -> str:
    """What an option expected; "" where it is not known."""
    name = (error.token.keyword if error.token else None) or (error.argument.name if error.argument else "")
    if error.token is None or not name:
        return ""
    expected = _expected(error.target_type)
    found = error.token.value
    shown = found if len(found) <= _LONGEST_SHOWN else f"{found[:_LONGEST_SHOWN]}..."
    return f'{name}: expected {expected}, found "{shown}".' if expected else ""


def _expected(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        *first, last = map(str, typing.get_args(hint))
        return f"{', '.join(first)} or {last}" if first else last
    return _EXPECTED.get(hint, "")
