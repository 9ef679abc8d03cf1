"""Tests of two systems on the same utterances: the sign-flip permutation test, and Holm's adjustment.

Utterances of one speaker are correlated. Given ``groups_N`` (speakers), the test flips the sign of groups with all
their utterances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.statistics.groups import GroupIds, group_index, group_sums
from ambivox.models.statistics.intervals import UNDEFINED, Interval, mean_interval

SIGNIFICANT_P = 0.05
_BLOCK_CELLS = (
    125_000  # of the matrix of signs that is in memory at once: 1 MB, which the processor's cache holds
)
_MOST_ENUMERATED = 13  # groups up to which all patterns of signs are tried


@dataclass(frozen=True)
class PairedTest:
    """Whether the first system scores lower than the second on the same utterances.

    Attributes:
        difference: mean of first - second, with its jackknife interval.
        p_value: two-sided, of the sign-flip test.
        share_lower: share of utterances on which the first scores strictly lower.
        groups: number of groups (speakers).
        least_p_value: the smallest p-value that so many groups can give, however large the difference.
    """

    difference: Interval
    p_value: float
    share_lower: float
    groups: int
    least_p_value: float


def paired_test(
    first_N: np.ndarray,
    second_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Sign-flip permutation test of the mean difference, and the difference's interval.

    Under the null hypothesis, the summed difference of every group is equally likely with either sign. The p-value
    is the share of sign patterns whose sum is at least as extreme: of all patterns with up to 13 groups, else of
    random ones, the observed one included. G groups give no p-value below ``2 / 2^G``.

    Args:
        first_N: one finite score per utterance.
        second_N: the other system's scores of the same utterances.
        groups_N: a speaker per utterance; None makes every utterance a group.
        resamples: number of random sign patterns.
        seed: of the sign patterns.

    Returns:
        The test; nan without utterances.

    Examples:
        >>> test = paired_test(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
        >>> round(test.difference.value, 6), test.share_lower, test.groups
        (-0.2, 1.0, 2)
    """
    difference_N = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    if not len(difference_N):
        return PairedTest(UNDEFINED, float("nan"), float("nan"), 0, float("nan"))
    group_N = group_index(groups_N, len(difference_N))
    sums_G = group_sums(difference_N[:, None], group_N)[0][:, 0]
    return PairedTest(
        mean_interval(difference_N, group_N),
        _sign_flip_p_value(sums_G, resamples, seed),
        float((difference_N < 0).mean()),
        len(sums_G),
        max(min(1.0, 2.0 ** (1 - np.count_nonzero(sums_G))), 1 / (resamples + 1)),
    )


def _sign_flip_p_value(sums_G: np.ndarray, resamples: int, seed: int) -> float:
    """The share of sign patterns whose sum is at least as extreme as the observed one."""
    groups = len(sums_G)
    observed = abs(sums_G.sum()) * (1 - 1e-12)
    if groups <= _MOST_ENUMERATED:
        bit_RG = (np.arange(2**groups)[:, None] >> np.arange(groups)) & 1
        return float((np.abs((bit_RG * 2.0 - 1.0) @ sums_G) >= observed).mean())
    rng = np.random.default_rng(seed)
    # NumPy draws words of 32 bits: with whole ones, blocks of any size give the same signs.
    block = max(32, _BLOCK_CELLS // groups // 32 * 32)
    extreme = 0
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        bits = np.frombuffer(rng.bytes(-(-size * groups // 8)), np.uint8)
        bit_RG = np.unpackbits(bits, count=size * groups).reshape(size, groups)
        # With signs 2 b - 1, the sum is 2 b . s - sum(s).
        sum_R = 2 * (bit_RG.astype(np.float64) @ sums_G) - sums_G.sum()
        extreme += int((np.abs(sum_R) >= observed).sum())
    return (extreme + 1) / (resamples + 1)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjustment of p-values for multiple testing.

    Args:
        p_values: p-values from 0 to 1; nan stays nan and does not count as a test.

    Returns:
        Adjusted p-values in the same order, at most 1.

    Examples:
        >>> holm(np.array([0.01, 0.04, float("nan")])).tolist()
        [0.02, 0.04, nan]
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = p_values.copy()
    valid = np.flatnonzero(np.isfinite(p_values))
    order = valid[np.argsort(p_values[valid], kind="stable")]
    stepped = p_values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted
