"""What one person chose about one item in Potato, whichever file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HUMAN = "human"
# How versions and kinds of questions store what was not chosen.
_NOT_CHOSEN = frozenset({"", "false", "off", "0", "0.0", "none", "null"})


@dataclass(frozen=True)
class Entry:
    """What an annotator chose.

    Attributes:
        user: The annotator; None where the file names none.
        utterance_id: The item.
        values: What is stored for the labels, by annotation scheme: also for some that were not chosen.
        is_human: Whether a person chose; Potato also takes programs and language models as annotators.
    """

    user: str | None
    utterance_id: str
    values: dict[str, dict[str, Any]]
    is_human: bool = True

    def chosen(self, scheme: str, keys: Mapping[str, str] | None = None) -> list[str]:
        """The chosen labels of a scheme.

        Args:
            scheme: The scheme.
            keys: Key -> label; None where any digit is the key of its label.
        """
        return [
            label
            for label, value in self.values.get(scheme, {}).items()
            if is_chosen(label, value) or _is_key(label, value, keys)
        ]


def is_chosen(name: str, value: Any) -> bool:
    """Whether a stored value means that the label was chosen: unchecked boxes are stored, too, by some versions.

    Args:
        name: The label.
        value: What is stored for it.

    Example:
        >>> is_chosen("off", "off"), is_chosen("anger", "off"), is_chosen("anger", "true")
        (True, False, True)
    """
    if value is None or isinstance(value, int | float):
        return bool(value)
    text = str(value).strip()
    return text == name or text.casefold() not in _NOT_CHOSEN


def _is_key(label: str, value: Any, keys: Mapping[str, str] | None) -> bool:
    text = str(value).strip().removesuffix(".0")
    return text == "0" if keys is None else keys.get(text) == label


def is_human(origin: Any) -> bool:
    """Whether an annotator's origin says that it is a person; Potato itself takes one that says nothing for a program.

    Args:
        origin: ``human``, ``tool`` or ``llm``; an object with that under ``kind``; nothing where all are people.

    Example:
        >>> is_human(None), is_human({"kind": "llm"}), is_human("human")
        (True, False, True)
    """
    if origin is None or origin in ({}, ""):
        return True
    kind = origin.get("kind") if isinstance(origin, Mapping) else origin
    return str(kind).strip().casefold() == _HUMAN
