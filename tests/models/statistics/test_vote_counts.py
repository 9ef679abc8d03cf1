"""Vote counts: their check, and their shares."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.statistics.vote_counts import check_vote_counts, shares


def test_shares_by_hand() -> None:
    p_NK = shares(np.array([[1, 3], [0, 0]]))
    assert p_NK[0].tolist() == [0.25, 0.75] and np.isnan(p_NK[1]).all()


@pytest.mark.parametrize("row", [[1.0, -1.0], [np.nan, 1.0], [np.inf, 0.0]])
def test_a_row_that_holds_no_counts_is_named(row: list[float]) -> None:
    with pytest.raises(UserError, match=r"counts .* 1 of 2 rows .* row 1"):
        shares(np.array([[1.0, 0.0], row]))


def test_one_dimension_is_refused() -> None:
    with pytest.raises(UserError, match=r"utterances by labels.*\(2,\)"):
        check_vote_counts(np.array([1.0, 2.0]))
