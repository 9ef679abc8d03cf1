"""The ten features of a transcript (arXiv 2601.14620, DiME-Aug)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD_FEATURES = 10


def word_features(transcript: str | None) -> NDArray[np.float64]:
    """The 10 numbers of a transcript: characters, words, ``!``, ``?``, ``.``, ``,``, share of vowels and of
    consonants among characters, mean word length, share of capitals. All 0 where there is none.
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
