"""The ten features of a transcript (arXiv 2601.14620, DiME-Aug)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def transcript_features(transcript: str | None) -> NDArray[np.float64]:
    """The features of one transcript.

    Args:
        transcript: the text, or None if it is not known.

    Returns:
        Ten numbers: characters; words; counts of ``!``, ``?``, ``.`` and ``,``; shares of vowels and of consonants
        among the characters; mean word length; share of capitals. All 0 without a transcript.

    Examples:
        >>> transcript_features("Oh no, WHY?").round(2).tolist()
        [11.0, 3.0, 0.0, 1.0, 0.0, 1.0, 0.18, 0.45, 3.0, 0.36]
    """
    text = transcript or ""
    words = text.split()
    characters = max(len(text), 1)
    lower = text.lower()
    vowels = sum(lower.count(vowel) for vowel in "aeiou")
    consonants = sum(character.isalpha() for character in lower) - vowels
    return np.array(
        [
            len(text),
            len(words),
            *(text.count(mark) for mark in "!?.,"),
            vowels / characters,
            consonants / characters,
            sum(map(len, words)) / max(len(words), 1),
            sum(character.isupper() for character in text) / characters,
        ],
        dtype=np.float64,
    )
