"""Command lines with one mistake each, made from the commands' own parameters."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import Argument

# Text that is no number, or none that an option may have.
NOT_WHOLE = ("many", "", "1.5", "nan", "1,000", "0x", "--", "三x", "-")
NOT_A_NUMBER = ("many", "", "1,5", "nan", "inf", "-inf", "1e999", "-")
OUT_OF_RANGE_WHOLE = ("-1", "-1000000", "1000000000000", "9" * 40)
OUT_OF_RANGE = ("-1", "-0.001")


@dataclass(frozen=True)
class WrongLine:
    """A command line and its mistake.

    Attributes:
        words: The words after ``ambivox``.
        mistake: What kind of mistake it has.
        option: The option that it is about.
        make: Makes the file that is wrong, in the place, and returns its name there; None where there is none.
    """

    words: tuple[str, ...]
    mistake: str
    option: str = ""
    make: Callable[[Path], Path] | None = None


def commands(application: App) -> list[str]:
    """The names of all commands."""
    return [name for name in application if not name.startswith("-")]


def options(application: App, command: str) -> list[Argument]:
    """The options of a command that a line may have, without those of every command."""
    parsed = [argument for argument in application[command].assemble_argument_collection() if argument.parse]
    return [
        argument for argument in parsed if argument.names[0] not in ("*", "--quiet", "--verbose", "--json")
    ]


def base_type(hint: Any) -> Any:
    """The type of one value of an option: of ``int | None`` and ``tuple[int, ...]``, int."""
    parts = [part for part in typing.get_args(hint) if part not in (type(None), ...)]
    if typing.get_origin(hint) is typing.Literal or typing.get_origin(hint) is dict or not parts:
        return hint
    return base_type(parts[0])


def is_list(hint: Any) -> bool:
    """Whether an option takes several values: a tuple, or that or None."""
    return typing.get_origin(hint) is tuple or any(map(is_list, typing.get_args(hint)))


def misspelt(application: App, valid: Mapping[str, Sequence[str]]) -> Iterator[WrongLine]:
    """Mistakes that are found before a file is read.

    Args:
        application: The command line.
        valid: For each command, the words of a right line after its name.
    """
    for command in commands(application):
        right = (command, *valid[command])
        for word in ("--nonsense", "--nonsense=1", "-z", "---", "—seed", "--no-nonsense", "--options.x.y.z"):
            yield WrongLine((*right, word), "unknown option", word)
        yield WrongLine((*right, "stray", "words"), "words of no option")
        for option in options(application, command):
            name = option.names[0]
            yield from _misspelt_option(command, right, option, name)


def _misspelt_option(
    command: str, right: tuple[str, ...], option: Argument, name: str
) -> Iterator[WrongLine]:
    kind = base_type(option.hint)
    yield WrongLine((*right, name[:-1] + "q", "1"), "misspelt option", name)
    yield WrongLine((*right, name.upper(), "1"), "misspelt option", name)
    yield WrongLine((*right, name.removeprefix("-"), "1"), "one dash", name)
    yield WrongLine((name, "1", *right), "before the command", name)
    if option.required:
        yield WrongLine(without(right, name), "missing option", name)
    if kind is bool:
        yield WrongLine((*right, f"{name}=maybe"), "wrong type", name)
        return
    yield WrongLine((*without(right, name), name), "missing value", name)
    yield WrongLine((*without(right, name), name, "--quiet"), "missing value", name)
    if typing.get_origin(kind) is typing.Literal:
        yield from (
            WrongLine((*without(right, name), name, text), "wrong choice", name) for text in ("nonsense", "")
        )
    if kind in (int, float):
        for text in NOT_WHOLE if kind is int else NOT_A_NUMBER:
            yield WrongLine((*without(right, name), name, text), "wrong type", name)
            yield WrongLine((*without(right, name), f"{name}={text}"), "wrong type", name)
    if not is_list(option.hint) and typing.get_origin(kind) is not dict:
        value = right[right.index(name) + 1] if name in right else "1"
        yield WrongLine((*without(right, name), name, value, name, value), "repeated option", name)


def without(words: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The words without an option and its value."""
    if name not in words:
        return words
    place = words.index(name)
    return (*words[:place], *words[place + 2 :])


def out_of_range(application: App, valid: Mapping[str, Sequence[str]]) -> Iterator[WrongLine]:
    """Numbers that no option can have."""
    for command in commands(application):
        right = (command, *valid[command])
        for option in options(application, command):
            name, kind = option.names[0], base_type(option.hint)
            if kind in (int, float):
                for text in OUT_OF_RANGE_WHOLE if kind is int else OUT_OF_RANGE:
                    yield WrongLine((*without(right, name), name, text), "out of range", name)


def right_words(application: App, command: str) -> tuple[str, ...]:
    """The required options of a command with values of the right type, which name nothing that is there."""
    words: list[str] = []
    for option in options(application, command):
        if option.required:
            words += [option.names[0], "3" if base_type(option.hint) is int else "nowhere"]
    return tuple(words)
