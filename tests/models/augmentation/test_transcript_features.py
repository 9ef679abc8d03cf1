"""The ten features of a transcript, against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.augmentation.transcript_features import transcript_features


def test_features_counted_by_hand() -> None:
    features = transcript_features("Oh no, WHY?")
    # 11 characters, 3 words; vowels: O o (2); consonants: h n W H Y (5); word lengths 2, 3, 4; capitals O W H Y.
    np.testing.assert_allclose(features, [11, 3, 0, 1, 0, 1, 2 / 11, 5 / 11, 3, 4 / 11])


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_transcript_gives_zeros(nothing: str | None) -> None:
    assert not transcript_features(nothing).any()
