"""Ambiguity by both definitions, and tertiles, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.statistics.ambiguity import ambiguity, tertiles


def test_definitions_by_hand() -> None:
    n_NK = np.array([[4, 0, 0], [2, 2, 0], [2, 1, 1], [0, 0, 0]])
    assert ambiguity(n_NK) == pytest.approx([0.0, 1.0, 1.5, np.nan], nan_ok=True)
    # The paper's: over log2 of the number of labels received: 1 / 1, 1.5 / log2 3.
    assert ambiguity(n_NK, "paper") == pytest.approx([0.0, 1.0, 1.5 / np.log2(3), np.nan], nan_ok=True)


def test_tertiles_are_thirds_by_rank() -> None:
    assert tertiles(np.array([0.3, np.nan, 0.1, 0.2])).tolist() == [2, -1, 0, 1]
    assert np.bincount(tertiles(np.zeros(9))).tolist() == [3, 3, 3]
    assert tertiles(np.zeros(0)).tolist() == []


def test_bad_input() -> None:
    with pytest.raises(UserError, match="counts"):
        ambiguity(np.array([[1.0, -1.0]]))
    with pytest.raises(UserError, match="entropy, paper"):
        ambiguity(np.ones((1, 2)), "other")  # type: ignore[arg-type]
    assert ambiguity(np.array([[3.0]])).tolist() == [0.0]  # one label only
