"""The ten features of a transcript, against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.augmentation.word_features import word_features


def test_words_by_hand() -> None:
    found = word_features("Oh no, WHY?")
    # 11 characters, 3 words; vowels: O o (2); consonants: h n W H Y (5); word lengths 2, 3, 4; capitals O W H Y.
    np.testing.assert_allclose(found, [11, 3, 0, 1, 0, 1, 2 / 11, 5 / 11, 3, 4 / 11])


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_words_are_zeros(nothing: str | None) -> None:
    assert not word_features(nothing).any()
