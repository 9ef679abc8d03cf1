"""Drawing votes: some of those there are, without replacement, or further ones as a posterior predicts them.

Both work on counts ``n_NK`` for all utterances at once. A fraction of a vote (a rater named two labels) is
a slot of its own with that weight: it is drawn or left as a whole.
"""

from __future__ import annotations

import numpy as np


def draw_votes(n_NK: np.ndarray, keep_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``keep_N`` of every utterance's votes, drawn without replacement (all, where there are no more)."""
    slots_NK = np.ceil(n_NK - 1e-9).astype(np.int64)
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


def leave_one_out(n_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pattern of one vote held out: ``(row_M, rest_MK, held_MK)``.

    Votes for the same label of the same utterance are the same pattern, so M is at most N K; ``held_MK`` is
    as large as there are such votes, which makes it the pattern's weight.
    """
    row_M, label_M = np.nonzero(n_NK)
    held_MK = np.zeros((len(row_M), n_NK.shape[1]))
    held_MK[np.arange(len(row_M)), label_M] = n_NK[row_M, label_M]
    rest_MK = n_NK[row_M].astype(np.float64)
    rest_MK[np.arange(len(row_M)), label_M] = np.maximum(rest_MK[np.arange(len(row_M)), label_M] - 1, 0)
    return row_M, rest_MK, held_MK


def predictive_votes(alpha_NK: np.ndarray, votes: int, rng: np.random.Generator) -> np.ndarray:
    """``votes`` further votes per utterance from the Dirichlet-multinomial with parameters ``alpha_NK``."""
    gamma_NK = rng.standard_gamma(np.maximum(alpha_NK, 1e-9)) + 1e-300
    return rng.multinomial(votes, gamma_NK / gamma_NK.sum(1, keepdims=True)).astype(np.float64)
