"""How ambiguous an utterance is, judged by its human votes, and tertiles of it.

Two definitions: the paper's (arXiv 2601.14620, section 3.3), entropy divided by the log of the number of
*different labels received*, and the plain entropy. They rank differently: five votes against five for two
labels are 1.0 by the first (as doubtful as two labels allow), but only 1 bit by the second.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import entropy

Definition = Literal["entropy", "paper"]
DEFINITIONS: tuple[Definition, ...] = ("entropy", "paper")
TERTILES = ("low", "medium", "high")


def shares(n_NK: np.ndarray) -> np.ndarray:
    """Votes as distributions, ``n / N``; rows without a vote are nan.

    Raises:
        UserError: counts that are negative, missing or not a table.
    """
    n_NK = np.asarray(n_NK, dtype=np.float64)
    if n_NK.ndim != 2 or not np.isfinite(n_NK).all() or (n_NK < 0).any():
        raise UserError(
            f"votes must be a table of counts from 0 up, utterances by labels; found the shape {n_NK.shape}"
        )
    votes_N = n_NK.sum(1, keepdims=True)
    return np.where(votes_N > 0, n_NK / np.where(votes_N > 0, votes_N, 1.0), np.nan)


def ambiguity(n_NK: np.ndarray, definition: Definition = "entropy") -> np.ndarray:
    """Ambiguity of every utterance, nan for one without votes.

    Args:
        n_NK: votes per utterance and label.
        definition: "entropy" is Shannon's, in bits, from 0 to log2 K; "paper" divides it by log2 of the
        number
            of different labels received, from 0 to 1, and is 0 where only one label was received.

    Raises:
        UserError: counts that are negative, missing or not a table, or an unknown definition.
    """
    if definition not in DEFINITIONS:
        raise UserError(f"unknown definition of ambiguity {definition!r}; known: {', '.join(DEFINITIONS)}")
    p_NK = shares(n_NK)
    voted_N = np.isfinite(p_NK).all(1)
    ambiguity_N = np.full(len(p_NK), np.nan)
    ambiguity_N[voted_N] = entropy(p_NK[voted_N])
    if definition == "paper":
        ambiguity_N /= np.log2(np.maximum((n_NK > 0).sum(1), 2))  # one label: 0 / 1
    return ambiguity_N


def tertiles(ambiguity_N: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for the low, medium and high third by rank; -1 where the ambiguity is nan.

    Thirds are of equal size; equally ambiguous utterances on a border are divided by the order of the rows.
    """
    ambiguity_N = np.asarray(ambiguity_N, dtype=np.float64)
    tertile_N = np.full(len(ambiguity_N), -1)
    known = np.flatnonzero(~np.isnan(ambiguity_N))
    order = known[np.argsort(ambiguity_N[known], kind="stable")]
    tertile_N[order] = np.arange(len(order)) * 3 // max(len(order), 1)
    return tertile_N
