"""Labels that annotators wrote themselves beside "other": ``other: bored``, ``Other (please specify): tired``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from ambivox.models.counted import counted

_OTHERS = (
    "other", "others", "something else", "andere", "anderes", "andere gefühle", "sonstiges", "sonstige", "autre", "autres", "otro", "otra",
    "otros", "outro", "outra", "altro", "altra", "其他", "その他", "기타", "другое",
)  # fmt: skip
# A blank or bracket must stand before a hyphen: Other-positive is a name.
_OTHER = re.compile(
    rf"^\W*({'|'.join(_OTHERS)})\s*(?:[:：=(（\[]|\s[-–—]|[,.]?\s*(?:please|pls|bitte)\b).*$",
    re.IGNORECASE | re.DOTALL,
)
_CLASSES = 3  # cells per text, on average, from which the texts are names of classes
_SHOWN = 3


def other_word(text: str) -> str | None:
    """The word for "other" of a label beside which an annotator wrote something; None for all other labels.

    Args:
        text: A label.

    Example:
        >>> other_word("Other - tired"), other_word("other"), other_word("Other-positive")
        ('Other', None, None)
    """
    match = _OTHER.match(" ".join(text.split()))  # thousands of blanks would be tried in every division
    return match[1] if match else None


def fold_other(labels: pl.Series, known: Sequence[str] = ()) -> tuple[pl.Series, list[str]]:
    """Read ``other`` and what an annotator wrote beside it as ``other``.

    Texts that are repeated again and again are labels of their own; so is a single cell where nobody chose a plain ``other``.

    Args:
        labels: The label of every vote.
        known: The labels that the user gave, if any: without one for "other", nothing is changed.

    Returns:
        The labels, and a note where there are such cells.

    Example:
        >>> folded, notes = fold_other(pl.Series(["joy", "other: bored", "Other (please specify): tired", "other"]))
        >>> folded.to_list(), len(notes)
        (['joy', 'other', 'other', 'other'], 1)
    """
    distinct = labels.drop_nulls().unique().sort()
    words = {text: word for text in distinct if text not in known and (word := other_word(text))}
    chosen = [label for label in known if label.lower() in _OTHERS]
    if not words or (known and not chosen):
        return labels, []
    is_free = labels.is_in(list(words)).fill_null(value=False)
    cells = int(is_free.sum())
    plain = labels.filter(labels.str.strip_chars().str.to_lowercase().is_in(list(_OTHERS)))
    shown = ", ".join(map(repr, list(words)[:_SHOWN]))
    if not chosen and len(words) > 1 and cells >= _CLASSES * len(words):
        return labels, [f"{shown} are repeated, so they are labels of their own"]
    if cells == 1 and not len(plain) and not chosen:
        return labels, [f"{shown} is a label of its own"]
    target = (
        chosen[0] if chosen else str(plain.mode().sort()[0]) if len(plain) else next(iter(words.values()))
    )
    note = (
        f"{counted(cells, 'vote has', 'votes have')} free text beside {target!r} and {'counts' if cells == 1 else 'count'} as "
        f"it, such as {shown}"
    )
    return labels.replace(dict.fromkeys(words, target)), [note]
