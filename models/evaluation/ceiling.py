"""What a score can reach at best: the human ceiling, and the floor of perfect knowledge.

The *ceiling* predicts one random half of an utterance's votes by the other half: other people's answers, few of them. A
model can do better, since it may know more than half of the votes. The *floor* is what the true distribution itself
would score against as many votes: JS and nll cannot fall below it, however good the model is.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.evaluation.scores import divergences, score_shares
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.dirichlet_multinomial import fit_dirichlet
from ambivox.models.statistics.proper_scores import smoothed
from ambivox.models.statistics.vote_counts import TOLERANCE, shares
from ambivox.models.statistics.vote_draws import draw_votes, drawn_vote_square, whole_votes

CEILING_DRAWS = 10
FLOOR_DRAWS = 20


def split_half(
    n_NK: np.ndarray, *, vote_square_N: np.ndarray | None = None, draws: int = CEILING_DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """The ceiling: score random halves of every utterance's votes against each other.

    ``nll`` is that of the half smoothed by half a vote per label, as raw shares would make it infinite.

    Args:
        n_NK: human votes per utterance and label.
        vote_square_N: see ``squared_error`` (models/statistics/proper_scores.py).
        draws: random splits that are averaged.
        seed: of the splits.

    Returns:
        ``nll``, ``squared_error``, ``js``, ``bc`` and ``accuracy`` (1 where the dominant emotion is the same), each of
        shape N, averaged over draws; nan for utterances with fewer than two votes (squared error: three).

    Examples:
        >>> halves = split_half(np.array([[4.0, 0.0], [1.0, 0.0]]), draws=1)
        >>> halves["js"].tolist(), halves["accuracy"].tolist()
        ([0.0, nan], [1.0, nan])
    """
    rng = np.random.default_rng(seed)
    votes_N = whole_votes(n_NK).sum(1)
    enough_N = votes_N >= 2
    square_N = drawn_vote_square(n_NK, votes_N - votes_N // 2, vote_square_N)
    square_M = None if square_N is None else square_N[enough_N]
    scores: dict[str, np.ndarray] = {}
    for _ in range(draws):
        first_NK = draw_votes(n_NK, votes_N // 2, rng)
        first_MK, second_MK = first_NK[enough_N], np.maximum(n_NK - first_NK, 0)[enough_N]
        drawn = divergences(second_MK, shares(first_MK), square_M)
        drawn["nll"] = divergences(second_MK, smoothed(first_MK))["nll"]
        drawn["bc"] = score_shares(metrics.bhattacharyya, second_MK, shares(first_MK))
        drawn["accuracy"] = score_shares(dominant_emotion.correct, second_MK, shares(first_MK))
        for name, score_M in drawn.items():
            scores.setdefault(name, np.where(enough_N, 0.0, np.nan))[enough_N] += score_M / draws
    return scores


def knowledge_floor(
    all_NK: np.ndarray, target_NK: np.ndarray, *, draws: int = FLOOR_DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """The floor: what the true distribution would score against as many votes as the target has.

    The truth is unknown, so it is drawn from its posterior for all human votes, under a Dirichlet prior fitted to these
    votes; the target votes are then drawn from that truth. The estimate rests on this model of the votes. nll is the
    entropy of the drawn truth, in nats; the squared error of the truth is 0, as its estimate is unbiased.

    Args:
        all_NK: all human votes per utterance and label.
        target_NK: the target votes, of which only the number matters.
        draws: truths per utterance that are averaged.
        seed: of the draws.

    Returns:
        ``nll``, ``squared_error``, ``js``, ``bc`` and ``accuracy``, each of shape N; squared error is nan for
        utterances with one target vote.

    Examples:
        >>> votes_NK = np.array([[8.0, 0.0], [4.0, 4.0]] * 20)
        >>> floor = knowledge_floor(votes_NK, votes_NK)
        >>> bool(floor["js"][0] < floor["js"][1]), float(floor["squared_error"].sum())
        (True, 0.0)
    """
    rng = np.random.default_rng(seed)
    alpha_NK = fit_dirichlet(all_NK) + all_NK
    votes_N = np.maximum(np.rint(target_NK.sum(1)), 1).astype(np.int64)
    sums = {name: np.zeros(len(all_NK)) for name in ("nll", "js", "bc", "accuracy")}
    for _ in range(draws):
        gamma_NK = rng.standard_gamma(alpha_NK) + 1e-300
        truth_NK = gamma_NK / gamma_NK.sum(1, keepdims=True)
        votes_NK = rng.multinomial(votes_N, truth_NK)
        sums["nll"] += metrics.entropy(truth_NK) * np.log(2)
        sums["js"] += metrics.jensen_shannon(shares(votes_NK), truth_NK)
        sums["bc"] += metrics.bhattacharyya(shares(votes_NK), truth_NK)
        sums["accuracy"] += dominant_emotion.correct(shares(votes_NK), truth_NK)
    means = {name: sum_N / draws for name, sum_N in sums.items()}
    squared_error_N = np.where(target_NK.sum(1) > 1 + TOLERANCE, 0.0, np.nan)
    return {"nll": means.pop("nll"), "squared_error": squared_error_N} | means
