"""The corpus prior: the label distribution of a corpus's votes, the same for every utterance."""

from __future__ import annotations

import numpy as np

_PSEUDO_VOTES = 0.5  # per label (Jeffreys), so that no label has probability 0


def corpus_prior(n_NK: np.ndarray) -> np.ndarray:
    """Label distribution of all votes together, ``(sum_n n_nk + 0.5) / (sum_nk n_nk + 0.5 K)``.

    Args:
        n_NK: votes per utterance and label, N >= 0 and K >= 1; pass those of training speakers only.

    Returns:
        ``p_K``, positive and summing to 1; uniform where there are no votes.

    Examples:
        >>> corpus_prior(np.array([[2.0, 0.0], [1.0, 0.0]])).tolist()
        [0.875, 0.125]
    """
    n_K = np.asarray(n_NK, dtype=np.float64).sum(0)
    prior_K: np.ndarray = (n_K + _PSEUDO_VOTES) / (n_K.sum() + _PSEUDO_VOTES * len(n_K))
    return prior_K
