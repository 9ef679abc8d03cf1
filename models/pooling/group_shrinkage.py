"""Errors of groups that are few and small, shrunk towards the mean of all groups.

How much the groups differ is what they differ by more than chance would have it (DerSimonian and Laird 1986, Controlled
Clinical Trials 7). How much chance does is known badly in a small group: two utterances that happen to agree have no variance.
So it is moderated by that of all groups (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

LEAST_CLUSTERS = 2  # from which a group tells its variance
_COMMON_DEGREES = 4.0  # degrees of freedom of the common variance in that of a group


@dataclass(frozen=True)
class GroupSums:
    """The M utterances of a group.

    Attributes:
        weight_M: their weights in it, above 0; 1 where an utterance is in one group only.
        measured_M: measured errors times weights.
        expected_M: expected errors times weights.
        cluster_M: what varies by chance: a number per speaker or per utterance.
    """

    weight_M: np.ndarray
    measured_M: np.ndarray
    expected_M: np.ndarray
    cluster_M: np.ndarray


def shrunk_excess(groups: Sequence[GroupSums]) -> np.ndarray:
    """The mean of measured less expected errors in every group, shrunk towards the mean of all groups.

    Args:
        groups: G of them; a group may be empty.

    Returns:
        ``excess_G``; where no group tells how much chance does, the mean of all utterances.
    """
    weight_G = np.array([group.weight_M.sum() for group in groups])
    excess_G = np.array([(group.measured_M - group.expected_M).sum() for group in groups])
    mean_G = excess_G / np.where(weight_G > 0, weight_G, 1.0)
    variance_G = _variances(groups, mean_G, weight_G)
    if variance_G is None:
        return np.full(len(groups), excess_G.sum() / weight_G.sum())
    precision_G = np.where(np.isfinite(variance_G), 1 / variance_G, 0.0)
    centre = float(np.average(mean_G, weights=precision_G))
    spread = float((precision_G * (mean_G - centre) ** 2).sum()) - (int((precision_G > 0).sum()) - 1)
    scale = float(precision_G.sum() - (precision_G**2).sum() / precision_G.sum())
    between = max(0.0, spread / scale) if scale > 0 else 0.0
    shrunk_G: np.ndarray = centre + between / (between + variance_G) * (mean_G - centre)
    return shrunk_G


def _variances(groups: Sequence[GroupSums], mean_G: np.ndarray, weight_G: np.ndarray) -> np.ndarray | None:
    """The variance by chance of every group's mean; infinite in an empty group, None where no group tells it."""
    degrees_G, own_G = np.zeros(len(groups)), np.zeros(len(groups))
    for g, group in enumerate(groups):
        clusters, cluster_M = np.unique(group.cluster_M, return_inverse=True)
        if len(clusters) >= LEAST_CLUSTERS:
            deviation_M = group.measured_M - group.expected_M - mean_G[g] * group.weight_M
            sums_C = np.bincount(cluster_M, weights=deviation_M)
            degrees_G[g] = len(clusters) - 1
            # Of one utterance: groups of all sizes have it in common.
            own_G[g] = len(clusters) / degrees_G[g] * (sums_C**2).sum() / weight_G[g]
    common = float((degrees_G * own_G).sum() / max(degrees_G.sum(), 1.0))
    if common <= 0:
        return None
    moderated_G = (_COMMON_DEGREES * common + degrees_G * own_G) / (_COMMON_DEGREES + degrees_G)
    # Few clusters understate it by chance, as Student's t allows for.
    widening_G = student_t.ppf(0.975, _COMMON_DEGREES + degrees_G) / norm.ppf(0.975)
    variance_G: np.ndarray = np.full(len(groups), np.inf)
    has_votes_G = weight_G > 0
    variance_G[has_votes_G] = (moderated_G * widening_G**2)[has_votes_G] / weight_G[has_votes_G]
    return variance_G
