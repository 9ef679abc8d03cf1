"""Agreement of annotators, from vote counts alone (annotators need no identity).

``n_NK`` holds the votes per utterance and label. Utterances may have different numbers of votes; those with
fewer than two have no pair of votes to compare and are left out. Kappa is Fleiss' (1971) formula with each
utterance's own number of votes; with a varying number it is not the estimator of Fleiss, Levin and Paik (2003,
section 18.3), which weights utterances by their votes, as alpha does. Alpha is Krippendorff's (2004, chapter 11), for
nominal data with missing values.

Votes may be fractional (an annotator who named two labels gives half a vote to each). The two halves are then
counted as a disagreement of two annotators, which underestimates agreement.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.statistics.vote_counts import TOLERANCE, check_vote_counts


def fleiss_kappa(n_NK: np.ndarray) -> float:
    """Fleiss' (1971) kappa, at most 1; 0 is agreement by chance.

    ``(P - P_e) / (1 - P_e)``: P is the mean over utterances, each counted alike, of the share of agreeing pairs of
    votes; P_e is the sum of the squared shares of the labels among all votes. Where all utterances have equally many
    votes, this is the published formula; otherwise it is its plain extension (see the top of this file).

    Args:
        n_NK: votes per utterance and label.

    Returns:
        Kappa; nan where no utterance has two votes, or where all votes are for one label, so that there is
        no variation.

    Raises:
        UserError: counts that are negative, missing or not a table.

    Examples:
        >>> fleiss_kappa(np.array([[3, 0], [0, 3]]))
        1.0
    """
    n_NK = _with_two_votes(n_NK)
    if not len(n_NK):
        return float("nan")
    votes_N = n_NK.sum(1)
    agreement_N = np.maximum(n_NK * (n_NK - 1), 0).sum(1) / (votes_N * (votes_N - 1))
    share_K = n_NK.sum(0) / n_NK.sum()
    chance = float((share_K**2).sum())
    if chance > 1 - 1e-12:
        return float("nan")
    return float((agreement_N.mean() - chance) / (1 - chance))


def krippendorff_alpha(n_NK: np.ndarray) -> float:
    """Krippendorff's alpha for nominal labels, at most 1; 0 is agreement by chance.

    ``1 - D_o / D_e`` from the coincidence matrix ``o_kl = sum_n n_nk (n_nl - [k = l]) / (N_n - 1)``, so an
    utterance counts in proportion to its votes.

    Args:
        n_NK: votes per utterance and label.

    Returns:
        Alpha; nan where no utterance has two votes or all votes are for one label.

    Raises:
        UserError: counts that are negative, missing or not a table.

    Examples:
        >>> krippendorff_alpha(np.array([[2, 0], [0, 2]]))
        1.0
    """
    n_NK = _with_two_votes(n_NK)
    if not len(n_NK):
        return float("nan")
    votes_N = n_NK.sum(1)
    total = votes_N.sum()
    agreeing = (np.maximum(n_NK * (n_NK - 1), 0).sum(1) / (votes_N - 1)).sum()
    marginal_K = n_NK.sum(0)
    expected = 1 - (marginal_K * (marginal_K - 1)).sum() / (total * (total - 1))
    if expected < 1e-12:
        return float("nan")
    return float(1 - (1 - agreeing / total) / expected)


def _with_two_votes(n_NK: np.ndarray) -> np.ndarray:
    """The rows with at least two votes, as float64."""
    n_NK = check_vote_counts(n_NK)
    return n_NK[n_NK.sum(1) >= 2 - TOLERANCE]
