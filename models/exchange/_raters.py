"""Who entered something in a labelling tool: a known annotator, a new one, or somebody without a name."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ambivox.models.ingestion.cleaning import plain_text

# A program that reads whole numbers as floats writes 1 as 1.0.
_NUMBER = re.compile(r"(-?[0-9]+)(\.0+)?")


def names_of(user: Any) -> tuple[tuple[str, ...], str]:
    """The names of a user of a labelling tool, and the number by which the tool knows them.

    Args:
        user: A user as an export has it: an object with ``email``, ``username`` and ``id``, or its JSON; a name; or a
            number.

    Returns:
        The names, the most telling first, and the number; "" where there is none.

    Example:
        >>> names_of({"id": 3, "email": "a@b.c"}), names_of("1.0"), names_of("kim ")
        ((('a@b.c',), '3'), ((), '1'), (('kim',), ''))
    """
    if isinstance(user, str) and user.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):  # else it is a name
            user = json.loads(user)
    if isinstance(user, Mapping):
        given = [user.get("email"), user.get("username")]
        names = tuple(dict.fromkeys(name for value in given if (name := _text(value))))
        number = _text(user.get("id"))
        found = _NUMBER.fullmatch(number)
        return names, found[1] if found else number
    name = _text(user)
    if found := _NUMBER.fullmatch(name):
        return (), found[1]
    return (name,) if name else (), ""


class Raters:
    """Names the annotators of a labelling tool's result.

    Args:
        known: Annotators of earlier votes, whom names may mean.
        imported: Annotators of earlier imports, whom the tool's numbers may mean, too. The numbers that a corpus gives to
            its own annotators mean other people.
        tool: The tool's key, with which the names of annotators without a name begin.
    """

    def __init__(self, known: Iterable[str], imported: Iterable[str], tool: str) -> None:
        self._imported = frozenset(imported)
        self._known = frozenset(known) | self._imported
        self._by_spelling = {name.casefold(): name for name in sorted(self._known)}
        self._addresses: dict[str, str] = {}
        self._nobodies: set[str] = set()
        self._tool = tool

    def name(self, names: Iterable[str], number: str, annotation: str, position: int) -> str:
        """The annotator of an annotation.

        Args:
            names: The names of the annotator, the most telling first.
            number: The number by which the tool knows the annotator, or "".
            annotation: What identifies the annotation in the tool, or "".
            position: The annotation's place in the result.

        Returns:
            A known annotator, else the first name, else a name made from the number. Annotations without either are of
            an annotator each, so that they do not replace each other.
        """
        names = tuple(names)
        for name in names:
            if name in self._known:
                return name
            if name.casefold() in self._by_spelling:
                return self._by_spelling[name.casefold()]
        numbered = f"{self._tool}-{number}"
        if number and numbered in self._known:
            return numbered
        if number and number in self._imported:
            return number
        if names:
            # Case means nothing in an e-mail address.
            return self._addresses.setdefault(names[0].casefold(), names[0]) if "@" in names[0] else names[0]
        if number:
            return numbered
        nobody = (
            f"{self._tool}-annotation-{annotation}" if annotation else f"{self._tool}-anonymous-{position}"
        )
        if nobody in self._nobodies:  # some exports count annotations from 1 in every task
            nobody = f"{nobody}-{position}"
        self._nobodies.add(nobody)
        return nobody


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = f"{value:.0f}"
    try:
        return plain_text(str(value)) if isinstance(value, str | int | float) else ""
    except ValueError:  # a number of more than 4,300 digits
        return ""
