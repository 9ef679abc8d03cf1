"""Drawing votes: a subset of the observed votes, or votes predicted by a posterior.

All functions take counts ``n_NK`` and draw for all utterances at once. A fractional vote (its annotator named
two labels) is one vote with that weight: it is never divided. Where votes have other weights, such as the reliability
of their raters, ``slots_NK`` says how many votes there are; those of a label then have their mean weight.
"""

from __future__ import annotations

import numpy as np


def whole_votes(n_NK: np.ndarray) -> np.ndarray:
    """The number of votes behind weights of at most 1 each, as float64.

    Args:
        n_NK: votes per utterance and label, at least 0.

    Examples:
        >>> whole_votes(np.array([[2.0, 0.5, 0.0]])).tolist()
        [[2.0, 1.0, 0.0]]
    """
    return np.asarray(np.ceil(n_NK - 1e-9) + 0.0)  # 0.0: not -0.0


def draw_votes(
    n_NK: np.ndarray, keep_N: np.ndarray, rng: np.random.Generator, slots_NK: np.ndarray | None = None
) -> np.ndarray:
    """Draw ``keep_N`` of every utterance's votes without replacement.

    Args:
        n_NK: votes per utterance and label, at least 0.
        keep_N: how many votes to draw; all are drawn where an utterance has no more than that.
        rng: the random generator.
        slots_NK: how many votes there are per label; None: ``whole_votes(n_NK)``.

    Returns:
        ``drawn_NK``, at most ``n_NK``.

    Examples:
        >>> draw_votes(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([1, 2]), np.random.default_rng(0)).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    slots_NK = (whole_votes(n_NK) if slots_NK is None else slots_NK).astype(np.int64)
    votes_N = slots_NK.sum(1)
    width = int(votes_N.max(initial=0))
    if not width:
        return np.zeros_like(n_NK, dtype=np.float64)
    # Slot s of utterance n belongs to the first label whose running count exceeds s.
    slot_S = np.arange(width)
    label_NS = (slot_S[None, :, None] >= np.cumsum(slots_NK, axis=1)[:, None, :]).sum(2)
    key_NS = np.where(slot_S < votes_N[:, None], rng.random((len(n_NK), width)), np.inf)
    rank_NS = key_NS.argsort(1, kind="stable").argsort(1, kind="stable")
    row_M, slot_M = np.nonzero((rank_NS < keep_N[:, None]) & np.isfinite(key_NS))
    drawn_NK = np.zeros(n_NK.shape)
    label_M = label_NS[row_M, slot_M]
    weight_NK = n_NK / np.maximum(slots_NK, 1)
    np.add.at(drawn_NK, (row_M, label_M), weight_NK[row_M, label_M])
    return drawn_NK


def drawn_vote_square(
    n_NK: np.ndarray, drawn_N: np.ndarray, vote_square_N: np.ndarray | None
) -> np.ndarray | None:
    """How whole votes are that ``draw_votes`` drew, or left, where raters split votes between labels.

    Drawing breaks split votes up: of two labels that a rater named, one may be drawn. From a share g of the pairs of parts
    the mean square of the raters' votes is kept, and the rest has that of parts that are drawn one by one.

    Args:
        n_NK: votes per utterance and label, at least 0.
        drawn_N: how many of their parts were drawn, see ``whole_votes``.
        vote_square_N: see ``squared_error`` (models/statistics/proper_scores.py); None where no vote is split.

    Returns:
        ``vote_square_N`` of the drawn votes; 1 where no vote is split.

    Examples:
        >>> one_rater = np.array([[0.5, 0.5], [2.0, 0.0]])
        >>> drawn_vote_square(one_rater, np.array([1, 1]), np.array([0.5, 1.0])).tolist()
        [0.5, 1.0]
    """
    if vote_square_N is None:
        return None
    slots_NK = whole_votes(n_NK)
    lost_by_parts_N = (n_NK * (1 - n_NK / np.maximum(slots_NK, 1))).sum(1) / np.maximum(n_NK.sum(1), 1e-9)
    g_N = np.maximum(drawn_N - 1, 0) / np.maximum(slots_NK.sum(1) - 1, 1)
    square_N: np.ndarray = 1 - (g_N * (1 - vote_square_N) + (1 - g_N) * np.maximum(lost_by_parts_N, 0))
    return square_N


def predictive_votes(alpha_NK: np.ndarray, votes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw further votes from the Dirichlet-multinomial.

    Args:
        alpha_NK: parameters of the Dirichlet posterior per utterance, at least 0.
        votes: how many votes to draw per utterance.
        rng: the random generator.

    Returns:
        ``n_NK``, whose rows sum to ``votes``.

    Examples:
        >>> predictive_votes(np.array([[5.0, 0.0]]), 4, np.random.default_rng(0)).tolist()
        [[4.0, 0.0]]
    """
    gamma_NK = rng.standard_gamma(np.maximum(alpha_NK, 1e-9)) + 1e-300
    return rng.multinomial(votes, gamma_NK / gamma_NK.sum(1, keepdims=True)).astype(np.float64)
