"""Annotators who guess weigh less by both methods; annotators without identity are refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.annotator_reliability import METHODS, Method, reliability
from ambivox.models.tables import Votes
from tests.support.pooling_tables import label_names, vote_table

_NAMES = label_names(4)


def _votes() -> Votes:
    """Twelve raters, of whom r10 and r11 guess; everyone votes on 300 utterances with one clear label each."""
    rng = np.random.default_rng(0)
    truth_N = rng.integers(0, 4, 300)
    rows = []
    for rater in range(12):
        careful_N = np.where(rng.random(300) < 0.85, truth_N, rng.integers(0, 4, 300))
        answer_N = rng.integers(0, 4, 300) if rater >= 10 else careful_N
        rows.append(
            pl.DataFrame(
                {
                    "utterance_id": [f"{number}" for number in range(300)],
                    "annotator_id": [f"r{rater:02d}"] * 300,
                    "annotator_kind": ["human"] * 300,
                    "label": [_NAMES[label] for label in answer_N],
                    "weight": [1.0] * 300,
                }
            )
        )
    return Votes.check(pl.concat(rows), _NAMES)


@pytest.mark.parametrize("method", METHODS)
def test_guessing_raters_weigh_less(method: Method) -> None:
    votes = _votes()
    result = reliability(votes, method)
    weight_A = result.frame.sort("annotator_id")["weight"].to_numpy()
    assert weight_A[10:].max() < 0.6 * weight_A[:10].min()
    weighted = result.weigh(votes)
    assert weighted.frame["weight"].mean() == pytest.approx(1.0)
    assert weighted.frame.height == votes.frame.height
    assert reliability(votes, method).frame.equals(result.frame)


def test_dawid_skene_finds_the_known_accuracy() -> None:
    result = reliability(_votes(), "dawid_skene").frame.sort("annotator_id")["reliability"].to_numpy()
    assert result[:10] == pytest.approx(np.full(10, 0.85 + 0.15 / 4), abs=0.06)
    assert result[10:] == pytest.approx(np.full(2, 0.25), abs=0.08)


def test_raters_without_identity_and_unknown_methods() -> None:
    anonymous = vote_table(np.ones((5, 4)), [f"u{number}" for number in range(5)], _NAMES)
    with pytest.raises(UserError, match="--raters alike"):
        reliability(anonymous, "dawid_skene")
    with pytest.raises(UserError, match="dawid_skene, mace"):
        reliability(_votes(), "glad")  # type: ignore[arg-type]
