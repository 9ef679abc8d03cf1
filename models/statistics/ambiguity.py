"""Ambiguity of an utterance, measured on its human votes, and ambiguity tertiles.

Two definitions: the entropy of the votes, and the paper's (arXiv 2601.14620, section 3.3), which divides the
entropy by the logarithm of the number of *different labels received*. They rank utterances differently: five
votes against five for two labels are 1.0 by the paper's definition (its maximum), but only 1 bit of a possible
log2 K by the entropy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ambivox.models.errors import unknown
from ambivox.models.statistics.metrics import entropy
from ambivox.models.statistics.vote_counts import shares

Definition = Literal["entropy", "paper"]
DEFINITIONS: tuple[Definition, ...] = ("entropy", "paper")
TERTILES = ("low", "medium", "high")


def ambiguity(n_NK: np.ndarray, definition: Definition = "entropy") -> np.ndarray:
    """Ambiguity of every utterance.

    Args:
        n_NK: votes per utterance and label.
        definition: "entropy" is Shannon's, in bits, from 0 to log2 K; "paper" divides it by log2 of the number
            of different labels received, from 0 to 1, and is 0 where only one label was received.

    Returns:
        ``ambiguity_N``; nan for an utterance without votes.

    Raises:
        UserError: counts that are negative, missing or not a table, or an unknown definition.

    Examples:
        >>> ambiguity(np.array([[4, 0, 0], [2, 2, 0]]), "paper").tolist()
        [0.0, 1.0]
    """
    if definition not in DEFINITIONS:
        raise unknown("definition of ambiguity", definition, list(DEFINITIONS))
    p_NK = shares(n_NK)
    voted_N = np.isfinite(p_NK).all(1)
    ambiguity_N = np.full(len(p_NK), np.nan)
    ambiguity_N[voted_N] = entropy(p_NK[voted_N])
    if definition == "paper":
        ambiguity_N /= np.log2(np.maximum((n_NK > 0).sum(1), 2))  # one label: 0 / 1
    return ambiguity_N


def tertiles(ambiguity_N: np.ndarray) -> np.ndarray:
    """The tertile of every utterance by rank; ``TERTILES`` names them.

    The tertiles have equal size: ties at a boundary are broken by the order of the rows.

    Args:
        ambiguity_N: any score per utterance; nan where it is undefined.

    Returns:
        ``tertile_N``: 0, 1 or 2 for the low, medium and high tertile; -1 where the score is nan.

    Examples:
        >>> tertiles(np.array([0.3, np.nan, 0.1, 0.2])).tolist()
        [2, -1, 0, 1]
    """
    ambiguity_N = np.asarray(ambiguity_N, dtype=np.float64)
    tertile_N = np.full(len(ambiguity_N), -1)
    defined = np.flatnonzero(~np.isnan(ambiguity_N))
    order = defined[np.argsort(ambiguity_N[defined], kind="stable")]
    tertile_N[order] = np.arange(len(order)) * 3 // max(len(order), 1)
    return tertile_N
