"""The scores of a distribution against human votes, per utterance: two proper ones first, then the paper's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.proper_scores import negative_log_likelihood, squared_error
from ambivox.models.statistics.vote_counts import shares

#: In reading order: first those that are lowest for the true distribution, then JS, for comparison with the paper.
DIVERGENCES = ("nll", "squared_error", "js")

#: The range of each score. The squared error, corrected for the number of votes, has none.
RANGES = {
    "nll": (0.0, np.inf),
    "js": (0.0, 1.0),
    "bc": (0.0, 1.0),
    "accuracy": (0.0, 1.0),
    "entropy": (0.0, np.inf),
}


def divergences(
    counts_NK: np.ndarray, prediction_NK: np.ndarray, vote_square_N: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Every score of DIVERGENCES; lower is better.

    Args:
        counts_NK: the target votes.
        prediction_NK: predicted distributions; rows of nan are missing.
        vote_square_N: how whole the votes are, see ``squared_error``; None where no vote is split between labels.

    Returns:
        ``score_N`` by name; nan where it is undefined (no vote or no prediction; squared error: fewer than two votes).
        ``nll`` is infinite where a label with a vote has probability 0.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> scores = divergences(np.array([[2, 0]]), np.array([[1.0, 0.0]]))
        >>> {name: score_N.tolist() for name, score_N in scores.items()}
        {'nll': [0.0], 'squared_error': [0.0], 'js': [0.0]}
    """
    return {
        "nll": negative_log_likelihood(counts_NK, prediction_NK),
        "squared_error": squared_error(counts_NK, prediction_NK, vote_square_N),
        "js": score_shares(jensen_shannon, counts_NK, prediction_NK),
    }


def score_shares(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray], counts_NK: np.ndarray, prediction_NK: np.ndarray
) -> np.ndarray:
    """A score against the shares of votes, such as the Bhattacharyya coefficient.

    Args:
        score: of ``(truth_NK, prediction_NK)``, one number per row.
        counts_NK: the target votes.
        prediction_NK: predicted distributions; rows of nan are missing.

    Returns:
        ``score_N``; nan where there is no vote or no prediction.
    """
    defined_N = (counts_NK.sum(1) > 0) & np.isfinite(prediction_NK).all(1)
    score_N = np.full(len(counts_NK), np.nan)
    score_N[defined_N] = score(shares(counts_NK[defined_N]), prediction_NK[defined_N])
    return score_N
