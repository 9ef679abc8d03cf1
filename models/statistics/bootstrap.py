"""How sure a mean is: bootstrap intervals and paired tests, by utterance or by speaker.

Utterances of one speaker are alike, so resampling utterances makes intervals too narrow for the question
"would another set of speakers say the same?". Given ``groups_N`` (speakers), whole groups are resampled
(the cluster bootstrap of Davison and Hinkley 1997, section 3.8) and whole groups change sign in the test.

Everything starts from one score per utterance and system, ``score_NS``, computed once: a resample is then a
weighted mean, and all resamples of a block are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK_CELLS = 4_000_000  # of the counts matrix that is held at once: 32 MB
GroupIds = Sequence[str | None] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile interval; all three nan where there were no utterances."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as "0.123 [0.101, 0.140]"."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class PairedTest:
    """Does the first system score lower than the second on the same utterances?"""

    difference: Interval  # mean of first - second
    p_value: float  # two-sided, of the sign-flip test
    share_lower: float  # utterances on which the first is strictly lower
    groups: int


def group_index(groups_N: GroupIds | None, rows: int) -> np.ndarray:
    """Group numbers ``g_N`` from 0 up; rows without groups, or whose group is None, are groups of their own."""
    if groups_N is None:
        return np.arange(rows)
    names = [f"g{name}" if name is not None else f"r{row}" for row, name in enumerate(groups_N)]
    return np.unique(names, return_inverse=True)[1].reshape(-1)


def resampled_means(
    score_NS: np.ndarray, groups_N: GroupIds | None = None, *, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Means over utterances in every bootstrap resample, ``mean_RS``.

    The same resample serves all S columns, so differences and ratios of columns are paired.

    Args:
        score_NS: one score per utterance and system, any finite numbers.
        groups_N: a speaker per utterance; None resamples utterances.
        resamples: R.
        seed: of the resampling.
    """
    score_NS = np.atleast_2d(np.asarray(score_NS, dtype=np.float64).T).T
    if not len(score_NS):
        return np.full((resamples, score_NS.shape[1]), np.nan)
    sums_GS, count_G = _group_sums(score_NS, group_index(groups_N, len(score_NS)))
    rng = np.random.default_rng(seed)
    groups = len(count_G)
    block = max(1, min(resamples, _BLOCK_CELLS // groups))
    means = []
    for start in range(0, resamples, block):
        drawn = min(block, resamples - start)
        times_RG = rng.multinomial(groups, np.full(groups, 1 / groups), size=drawn).astype(np.float64)
        means.append((times_RG @ sums_GS) / (times_RG @ count_G)[:, None])
    return np.concatenate(means)


def mean_interval(
    score_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of ``score_N`` and its bootstrap interval at ``level``."""
    if not len(score_N):
        return Interval(float("nan"), float("nan"), float("nan"))
    mean_R = resampled_means(score_N, groups_N, resamples=resamples, seed=seed)[:, 0]
    return _percentile(float(np.mean(score_N)), mean_R, level)


def ratio_interval(
    numerator_N: np.ndarray,
    denominator_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over mean of two scores of the same utterances, resampled together; nan where the denominator is 0."""
    if not len(numerator_N) or not np.mean(denominator_N):
        return Interval(float("nan"), float("nan"), float("nan"))
    score_N2 = np.stack([numerator_N, denominator_N], axis=1)
    mean_R2 = resampled_means(score_N2, groups_N, resamples=resamples, seed=seed)
    kept_R2 = mean_R2[mean_R2[:, 1] > 0]
    value = float(np.mean(numerator_N) / np.mean(denominator_N))
    return _percentile(value, kept_R2[:, 0] / kept_R2[:, 1], level)


def paired_test(
    first_N: np.ndarray,
    second_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Sign-flip permutation test of the mean difference, and its bootstrap interval.

    Under the hypothesis of no difference every group's summed difference is as likely with either sign. The
    p-value is the share of ``resamples`` random sign patterns (and the observed one) that are as extreme.
    """
    difference_N = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    if not len(difference_N):
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        return PairedTest(nothing, float("nan"), float("nan"), 0)
    sums_G = _group_sums(difference_N[:, None], group_index(groups_N, len(difference_N)))[0][:, 0]
    rng = np.random.default_rng(seed)
    observed = abs(sums_G.sum()) * (1 - 1e-12)
    block = max(1, min(resamples, _BLOCK_CELLS // len(sums_G)))
    extreme = 0
    for start in range(0, resamples, block):
        drawn = min(block, resamples - start)
        sign_RG = rng.integers(0, 2, size=(drawn, len(sums_G)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(sign_RG @ sums_G) >= observed).sum())
    return PairedTest(
        mean_interval(difference_N, groups_N, resamples=min(resamples, 2000), seed=seed),
        (extreme + 1) / (resamples + 1),
        float((difference_N < 0).mean()),
        len(sums_G),
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjustment of several p-values for testing them all; nan stays nan and is not counted."""
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = p_values.copy()
    valid = np.flatnonzero(np.isfinite(p_values))
    order = valid[np.argsort(p_values[valid], kind="stable")]
    stepped = p_values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _group_sums(score_NS: np.ndarray, group_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of scores and number of utterances per group."""
    sums = [np.bincount(group_N, weights=column_N) for column_N in score_NS.T]
    return np.stack(sums, axis=1), np.bincount(group_N).astype(np.float64)


def _percentile(value: float, resampled_R: np.ndarray, level: float) -> Interval:
    if not len(resampled_R):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(resampled_R, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
