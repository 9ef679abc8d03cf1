"""Counts of votes, ``n_NK``: the check that every statistic of them makes, and votes as distributions."""

from __future__ import annotations

import numpy as np

from ambivox.models.errors import UserError

TOLERANCE = 1e-9  # of a number of votes: the weights of one vote's labels may sum to 1 + 2e-16


def check_vote_counts(n_NK: np.ndarray) -> np.ndarray:
    """``n_NK`` as float64, checked to be a table of finite counts of at least 0.

    Args:
        n_NK: votes per utterance and label.

    Raises:
        UserError: counts that are negative, missing or not a table.

    Examples:
        >>> check_vote_counts(np.array([[2, 1]]))
        array([[2., 1.]])
    """
    n_NK = np.asarray(n_NK, dtype=np.float64)
    if n_NK.ndim != 2:
        raise UserError(f"vote counts must be a table of utterances by labels, found the shape {n_NK.shape}")
    bad_N = ~np.isfinite(n_NK).all(1) | (n_NK < 0).any(1)
    if bad_N.any():
        row = int(np.flatnonzero(bad_N)[0])
        raise UserError(
            f"vote counts must be finite and at least 0; {int(bad_N.sum())} of {len(n_NK)} rows are not, "
            f"the first is row {row}: {n_NK[row].tolist()}"
        )
    return n_NK


def shares(n_NK: np.ndarray) -> np.ndarray:
    """Votes as distributions, ``n / N``.

    Args:
        n_NK: votes per utterance and label.

    Returns:
        ``p_NK``; rows without a vote are nan.

    Raises:
        UserError: counts that are negative, missing or not a table.

    Examples:
        >>> shares(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist()
        [[0.75, 0.25], [nan, nan]]
    """
    n_NK = check_vote_counts(n_NK)
    votes_N1 = n_NK.sum(1, keepdims=True)
    return np.where(votes_N1 > 0, n_NK / np.where(votes_N1 > 0, votes_N1, 1.0), np.nan)
