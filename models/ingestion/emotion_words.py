"""Words for emotions in tables: how a column of labels, or the columns of counts per label, are known."""

from __future__ import annotations

import polars as pl

from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.labels import COMMON_LABELS

_EMOTIONS = frozenset(COMMON_LABELS) | frozenset(
    [
        "afraid",
        "amused",
        "amusement",
        "angry",
        "annoyed",
        "anxiety",
        "anxious",
        "bored",
        "boredom",
        "calm",
        "confused",
        "confusion",
        "contemptuous",
        "disappointed",
        "disappointment",
        "disgusted",
        "embarrassed",
        "excited",
        "fearful",
        "frustrated",
        "guilt",
        "guilty",
        "happy",
        "hate",
        "joy",
        "joyful",
        "love",
        "pride",
        "proud",
        "relief",
        "relieved",
        "sad",
        "scared",
        "shame",
        "surprised",
        "trust",
    ]
)


def names_an_emotion(column: str) -> bool:
    """Tell whether a column is named after an emotion.

    Args:
        column: Its name.

    Example:
        >>> names_an_emotion("Answer.Happy"), names_an_emotion("duration")
        (True, False)
    """
    return bool(set(words(column)) & _EMOTIONS)


def are_emotions(values: pl.Series) -> bool:
    """Tell whether all values of a column of texts are words for emotions.

    Args:
        values: The column; empty cells are left out.
    """
    return bool(values.drop_nulls().str.strip_chars().str.to_lowercase().is_in(list(_EMOTIONS)).all())
