"""Ambiguity tertiles from votes that neither made a distribution nor score it.

Tertiles of the entropy of the *target* votes flatter sharp answers in the low tertile and flat ones in the high
tertile, since the votes that put an utterance into a tertile also score it; those of the *input* votes do the same to
the sources made from them. So the held-out votes of every utterance are split at random: one half gives its
ambiguity, the other half is the target in its tertile. This is repeated, and all (draw, utterance) pairs are
averaged; intervals are jackknife intervals over speakers with all their pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.statistics.ambiguity import ambiguity, tertiles
from ambivox.models.statistics.vote_draws import draw_votes, drawn_vote_square, whole_votes

LEAST_VOTES = 4  # held-out votes: two for the ambiguity, two for the target
DRAWS = 10


@dataclass(frozen=True)
class AmbiguityStrata:
    """M pairs of a draw and an utterance.

    Attributes:
        row_M: the utterance.
        target_MK: the votes to score against.
        tertile_M: 0, 1 or 2 for low, medium or high ambiguity of the other held-out votes.
        vote_square_M: how whole the votes to score against are, see ``squared_error``; None where no vote is split.
    """

    row_M: np.ndarray
    target_MK: np.ndarray
    tertile_M: np.ndarray
    vote_square_M: np.ndarray | None = None


def ambiguity_strata(
    heldout_NK: np.ndarray, *, vote_square_N: np.ndarray | None = None, draws: int = DRAWS, seed: int = 0
) -> AmbiguityStrata | None:
    """Split held-out votes into those that measure ambiguity and those that score.

    Args:
        heldout_NK: held-out votes, from which no distribution was made.
        vote_square_N: how whole they are, see ``squared_error``; None where no vote is split between labels.
        draws: random splits.
        seed: of the splits.

    Returns:
        The pairs of the utterances with LEAST_VOTES held-out votes or more; None where fewer than three have them, as
        ambiguity cannot be measured then.

    Examples:
        >>> strata = ambiguity_strata(np.array([[6.0, 0.0], [3.0, 3.0], [5.0, 1.0], [1.0, 0.0]]), draws=1)
        >>> strata.row_M.tolist(), strata.target_MK.sum(1).tolist()
        ([0, 1, 2], [3.0, 3.0, 3.0])
        >>> ambiguity_strata(np.array([[1.0, 1.0]])) is None
        True
    """
    votes_N = whole_votes(heldout_NK).sum(1)
    rows = np.flatnonzero(votes_N >= LEAST_VOTES)
    if len(rows) < 3:
        return None
    rng = np.random.default_rng(seed)
    targets, by_draw = [], []
    for _ in range(draws):
        measured_NK = draw_votes(heldout_NK[rows], votes_N[rows] // 2, rng)
        # Few votes have few possible entropies: ties go to either tertile at random, not by the order of the rows.
        tie_N = rng.permutation(len(rows))
        tertile_N = np.empty(len(rows), dtype=int)
        tertile_N[tie_N] = tertiles(ambiguity(measured_NK[tie_N]))
        targets.append(np.maximum(heldout_NK[rows] - measured_NK, 0))
        by_draw.append(tertile_N)
    square_N = None if vote_square_N is None else vote_square_N[rows]
    square_N = drawn_vote_square(heldout_NK[rows], votes_N[rows] - votes_N[rows] // 2, square_N)
    return AmbiguityStrata(
        np.tile(rows, draws),
        np.concatenate(targets),
        np.concatenate(by_draw),
        None if square_N is None else np.tile(square_N, draws),
    )
