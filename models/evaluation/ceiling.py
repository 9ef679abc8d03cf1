"""The human ceiling: how well half of an utterance's human votes predicts the other half."""

from __future__ import annotations

import numpy as np

from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.statistics.vote_draws import draw_votes

CEILING_DRAWS = 10


def split_half(n_NK: np.ndarray, *, draws: int = CEILING_DRAWS, seed: int = 0) -> dict[str, np.ndarray]:
    """Score random halves of every utterance's votes against each other.

    A half has half the votes, so a model that is scored against all votes can come slightly closer.

    Args:
        n_NK: human votes per utterance and label.
        draws: random splits that are averaged.
        seed: of the splits.

    Returns:
        ``js``, ``bc`` and ``accuracy`` (1 where the dominant emotion is the same), each of shape N, averaged
        over draws; nan for utterances with fewer than two votes.

    Examples:
        >>> halves = split_half(np.array([[4.0, 0.0], [1.0, 0.0]]), draws=1)
        >>> halves["js"].tolist(), halves["accuracy"].tolist()
        ([0.0, nan], [1.0, nan])
    """
    rng = np.random.default_rng(seed)
    votes_N = np.ceil(n_NK - 1e-9).sum(1)
    enough_N = votes_N >= 2
    scores = {name: np.where(enough_N, 0.0, np.nan) for name in ("js", "bc", "accuracy")}
    for _ in range(draws):
        first_NK = draw_votes(n_NK, votes_N // 2, rng)
        p_MK, q_MK = shares(first_NK[enough_N]), shares(np.maximum(n_NK - first_NK, 0)[enough_N])
        scores["js"][enough_N] += metrics.jensen_shannon(p_MK, q_MK) / draws
        scores["bc"][enough_N] += metrics.bhattacharyya(p_MK, q_MK) / draws
        scores["accuracy"][enough_N] += dominant_emotion.correct(p_MK, q_MK) / draws
    return scores
