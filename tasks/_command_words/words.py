"""The words of a command line, before the parser reads them."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from cyclopts import App

from ambivox.models.errors import UserError

_CORPUS_OPTION = re.compile(r"--options\.[^=]+")
_DASHES = re.compile(r"--?|-[^-a-zA-Z].*", re.DOTALL)  # neither -q nor --quiet
_FRACTION = re.compile(r"[+-]?\d*\.\d*(?:[eE][+-]?\d+)?")


def prepared_words(application: App, arguments: Sequence[str]) -> list[str]:
    """Bring words into the form that the parser takes: dashes that are values, lists that are written with commas.

    Args:
        application: The command line that they are for.
        arguments: The words as they were given.

    Returns:
        Words that mean the same.

    Raises:
        UserError: An option that takes whole numbers is given a fraction, which the parser would round; a path is empty,
            which would be the current folder; or an option is before the command, where --version would be obeyed.
    """
    _check_first_word(application, arguments)
    return _with_lists_as_words(application, _with_dashes_as_values(arguments))


def _check_first_word(application: App, arguments: Sequence[str]) -> None:
    first = arguments[0] if arguments else ""
    if application.default_command is None and first.startswith("-") and first not in application:
        raise UserError(
            f"{first} is before the command; options follow it: ambivox COMMAND {first}. See: ambivox --help"
        )


def _with_dashes_as_values(arguments: Sequence[str]) -> list[str]:
    """Join ``--options.separator -`` with ``=``: the parser takes a word that begins with a dash for a flag."""
    joined: list[str] = []
    for word in arguments:
        if joined and _CORPUS_OPTION.fullmatch(joined[-1]) and _DASHES.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _with_lists_as_words(application: App, arguments: Sequence[str]) -> list[str]:
    """Split ``--shares 0,1,0,0`` at commas. Only lists of numbers and of fixed words: names and paths may have commas."""
    command = application.parse_commands(arguments)[1][-1].default_command
    is_own = hasattr(command, "__signature__")  # set by command_of; cyclopts' help has none
    flags = _list_flags(command) if callable(command) and is_own else set()
    words: list[str] = []
    is_list = False
    for word in arguments:
        flag, equals, value = word.partition("=")
        if flag in flags and equals:
            words += [flag, *_parts(value)]
            is_list = True
        elif word.startswith("--"):
            words.append(word)
            is_list = word in flags
        else:
            words += _parts(word) if is_list else [word]
    if callable(command) and is_own:
        _check_whole_numbers(_flags_of(command, _is_whole_number), words)
        _check_paths(command, words)
    return words


def _check_paths(command: Callable[..., Any], words: Sequence[str]) -> None:
    """Refuse ``--out ""``, and ``""`` as a path without an option: it is the current folder."""
    flags = _flags_of(command, _is_path)
    hints = typing.get_type_hints(command)
    without_option = [
        name
        for name, parameter in inspect.signature(command).parameters.items()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY and _is_path(hints.get(name))
    ]
    for before, word in zip(("", *words), words, strict=False):
        if without_option and word == "" and not before.startswith("--"):
            raise UserError(f"{without_option[0].upper()}: found an empty text, expected a path")
    for word, following in zip(words, (*words[1:], None), strict=True):
        flag, equals, value = word.partition("=")
        if flag in flags and (value if equals else following) == "":
            raise UserError(f"{flag}: found an empty text, expected a path")


def _check_whole_numbers(flags: set[str], words: Sequence[str]) -> None:
    """Refuse ``--orders 1.5``, which the parser would round.

    Raises:
        UserError: An option that takes whole numbers is given another.
    """
    name = ""
    for word in words:
        flag, equals, joined = word.partition("=")
        if word.startswith("--"):
            name = flag
        text = joined if equals else word
        if name in flags and _FRACTION.fullmatch(text):
            raise UserError(f"{name} {text}: expected a whole number, found a fraction")


def _flags_of(command: Callable[..., Any], is_wanted: Callable[[Any], bool]) -> set[str]:
    hints = typing.get_type_hints(command)
    for hint in list(hints.values()):
        hints |= typing.get_type_hints(hint) if is_dataclass(hint) else {}
    return {f"--{name.replace('_', '-')}" for name, hint in hints.items() if is_wanted(hint)}


def _list_flags(command: Callable[..., Any]) -> set[str]:
    return _flags_of(command, _is_list)


def _is_whole_number(hint: Any) -> bool:
    """Whether a hint is int, a tuple of them, or that or None."""
    return hint is int or any(map(_is_whole_number, typing.get_args(hint)))


def _is_path(hint: Any) -> bool:
    """Whether a hint is Path, a tuple of them, or that or None."""
    return hint is Path or any(map(_is_path, typing.get_args(hint)))


def _is_list(hint: Any) -> bool:
    """Whether a hint is a tuple of numbers or of fixed words, or that or None."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return all(part in (int, float, ...) or typing.get_origin(part) is typing.Literal for part in parts)
    return typing.get_origin(hint) is not typing.Literal and any(map(_is_list, parts))


def _parts(text: str) -> list[str]:
    """The items of ``0,1`` or ``[0, 1]``."""
    return [part.strip() for part in text.strip(" []()").split(",") if part.strip()] or [text]
