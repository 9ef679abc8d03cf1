"""Proper scores of predicted distributions against finite human votes: lowest, on average, for the true distribution.

Arguments come in the order ``(counts, prediction)``: the held-out votes ``counts_NK`` and the predictions ``p_NK`` of N
utterances by K labels. Jensen-Shannon to the shares of few votes is not proper: a prediction that is sharper than the
truth scores lower than the truth itself (tests/models/statistics/test_proper_scores.py shows it). These two are:

* *nll*, the negative log-likelihood in nats per held-out vote. Its minimum is the entropy of the truth, not 0.
* *squared error* to the truth, not to the votes' shares: the part due to the finite number of votes is subtracted.
  Its minimum is 0 on average; one utterance's value may be negative.

Both give one score per utterance, and means count every utterance alike, whatever its number of votes.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import check_distributions
from ambivox.models.statistics.vote_counts import TOLERANCE


def negative_log_likelihood(counts_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Mean of -log p(label) over the votes of every utterance, in nats, from 0 to infinity.

    ``-sum_k c_k log p_k / sum_k c_k``. No floor is put under p: where a label with a vote has probability 0, the score
    is infinite. Predictions from few raw votes are, so smooth them (``smoothed``) or compare their squared error.

    Args:
        counts_NK: held-out votes; may be weights.
        prediction_NK: predicted distributions; rows of nan are missing.

    Returns:
        ``nll_N``; nan where an utterance has no vote or no prediction.

    Raises:
        UserError: negative or missing counts, rows that are no probabilities, or shapes that differ.

    Examples:
        >>> votes_NK = np.array([[1, 1], [2, 0], [0, 1]])
        >>> p_NK = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
        >>> negative_log_likelihood(votes_NK, p_NK).round(3).tolist()
        [0.693, 0.693, inf]
    """
    c_NK, p_NK, answered_N = _check(counts_NK, prediction_NK)
    m_N = c_NK.sum(1)
    log_NK = np.log(np.where(p_NK > 0, p_NK, 1.0))
    nll_N = np.abs((c_NK * log_NK).sum(1)) / np.where(m_N > 0, m_N, 1.0)
    nll_N[((c_NK > 0) & (p_NK <= 0)).any(1)] = np.inf
    return np.where(answered_N & (m_N > 0), nll_N, np.nan)


def squared_error(
    counts_NK: np.ndarray, prediction_NK: np.ndarray, vote_square_N: np.ndarray | None = None
) -> np.ndarray:
    """Unbiased estimate of ``sum_k (p_k - truth_k)^2`` for every utterance, from its m votes.

    ``|p - r|^2 - (s - |r|^2) / (m - 1)`` with the shares ``r = c / m``, where s is the mean of ``|x|^2`` over the votes x,
    each a distribution over labels: 1 if every rater named one label. The subtracted term is the expected squared
    distance of r from the truth, so the estimate's mean is the squared error to the truth.

    Args:
        counts_NK: held-out votes, not among those the prediction was made from.
        prediction_NK: predicted distributions; rows of nan are missing.
        vote_square_N: s, above 0 and at most 1, such as 0.5 where every rater split the vote between two labels; None
            where no vote is split. A split vote varies less than a whole one, so without it the estimate is too low.

    Returns:
        ``squared_error_N``, at most 2; nan where an utterance has at most one vote, or no prediction.

    Raises:
        UserError: negative or missing counts, rows that are no probabilities, or shapes that differ.

    Examples:
        >>> votes_NK = np.array([[2, 2], [4, 0], [1, 0]])
        >>> squared_error(votes_NK, np.full((3, 2), 0.5)).round(3).tolist()
        [-0.167, 0.5, nan]
        >>> squared_error(votes_NK[:1], np.full((1, 2), 0.5), np.array([0.5])).round(3).tolist()
        [0.0]
    """
    c_NK, p_NK, answered_N = _check(counts_NK, prediction_NK)
    m_N = c_NK.sum(1)
    defined_N = answered_N & (m_N > 1 + TOLERANCE)
    m_N = np.where(defined_N, m_N, 2.0)
    r_NK = c_NK / m_N[:, None]
    less_N = 0.0 if vote_square_N is None else 1 - np.asarray(vote_square_N)
    error_N = ((p_NK - r_NK) ** 2).sum(1) - ((r_NK * (1 - r_NK)).sum(1) - less_N) / (m_N - 1)
    return np.where(defined_N, error_N, np.nan)


def smoothed(counts_NK: np.ndarray, votes: float = 0.5) -> np.ndarray:
    """Shares of votes with a constant added to every label, so that no probability is 0: ``(c + a) / (m + K a)``.

    Args:
        counts_NK: votes; a row of zeros becomes the uniform distribution.
        votes: the constant a > 0, in votes; 0.5 is Jeffreys' prior.

    Returns:
        ``p_NK``.

    Examples:
        >>> smoothed(np.array([[2, 0], [0, 0]])).round(3).tolist()
        [[0.833, 0.167], [0.5, 0.5]]
    """
    c_NK = np.asarray(counts_NK, dtype=np.float64) + votes
    return c_NK / c_NK.sum(1, keepdims=True)


def _check(counts_NK: np.ndarray, prediction_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(counts_NK, prediction_NK, answered_N)``; missing predictions become uniform."""
    c_NK = np.asarray(counts_NK, dtype=np.float64)
    p_NK = np.asarray(prediction_NK, dtype=np.float64)
    if c_NK.ndim != 2 or c_NK.shape != p_NK.shape:
        raise UserError(f"votes have the shape {c_NK.shape}, prediction {p_NK.shape}; they must be equal")
    if not np.isfinite(c_NK).all() or (c_NK < 0).any():
        raise UserError("votes must be finite and not negative")
    answered_N = np.asarray(np.isfinite(p_NK).any(1))
    p_NK = np.where(answered_N[:, None], p_NK, 1 / max(p_NK.shape[1], 1))
    return c_NK, check_distributions(p_NK, "prediction"), answered_N
