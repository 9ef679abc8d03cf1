"""Equivalent votes: the number of human votes that an ALM's answer is worth, with intervals.

The intervals come from refitting the whole model on resampled training speakers (the cluster bootstrap) and
pooling the same utterances with every refitted model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.intervals import Interval
from ambivox.models.statistics.metrics import entropy


@dataclass(frozen=True)
class EquivalentVotes:
    """Mean equivalent votes (kappa) of one ALM over the utterances that it answered.

    Attributes:
        alm: the ALM's name.
        overall: over all utterances.
        by_ambiguity: by tertile name, by the entropy of the pooled distribution.
    """

    alm: str
    overall: Interval
    by_ambiguity: dict[str, Interval]


def equivalent_votes(
    model: PoolingModel,
    pooled_on: PoolingInputs,
    fitted_on: PoolingInputs,
    refit: Callable[[PoolingInputs, int], PoolingModel],
    *,
    resamples: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[EquivalentVotes, ...]:
    """The mean equivalent votes of every ALM of the model.

    Args:
        model: as fitted on ``fitted_on``.
        pooled_on: the utterances that are averaged over.
        fitted_on: the training speakers' utterances.
        refit: fits a model on resampled inputs, given a seed.
        resamples: number of refits; 0 gives intervals of nan.
        level: coverage of the intervals, between 0 and 1.
        seed: of the resampling.

    Returns:
        One entry per ALM, in the model's order; nan where an ALM answered no utterance.
    """
    pooled = pool(model, pooled_on.n_NK, pooled_on.q_NAK, pooled_on.label_mass_NA)
    tertile_N = tertiles(entropy(pooled.p_NK)) if len(pooled.p_NK) else np.zeros(0, dtype=int)
    refitted = track(_refits(fitted_on, refit, resamples, seed), "bootstrap of equivalent votes", resamples)
    means_RAT = (
        np.stack([_means(other, pooled_on, tertile_N) for other in refitted])
        if resamples
        else np.full((1, len(model.alms), 1 + len(TERTILES)), np.nan)
    )
    mean_AT = _means(model, pooled_on, tertile_N)
    low_AT, high_AT = np.quantile(means_RAT, [(1 - level) / 2, (1 + level) / 2], axis=0)
    # Some twenty refits do not ensure that the estimate lies in its interval, so the interval is widened to it.
    low_AT, high_AT = np.minimum(low_AT, mean_AT), np.maximum(high_AT, mean_AT)
    per_alm = []
    for a, alm in enumerate(model.alms):
        overall, *by_tertile = (
            Interval(value, low, high)
            for value, low, high in zip(
                mean_AT[a].tolist(), low_AT[a].tolist(), high_AT[a].tolist(), strict=True
            )
        )
        per_alm.append(EquivalentVotes(alm.alm, overall, dict(zip(TERTILES, by_tertile, strict=True))))
    return tuple(per_alm)


def _refits(
    fitted_on: PoolingInputs, refit: Callable[[PoolingInputs, int], PoolingModel], resamples: int, seed: int
) -> Iterator[PoolingModel]:
    """Models fitted on resampled speakers."""
    rng = np.random.default_rng(seed)
    speakers, index_N = np.unique(fitted_on.speaker_N, return_inverse=True)
    rows_S = [np.flatnonzero(index_N == speaker) for speaker in range(len(speakers))]
    for resample in range(resamples):
        sampled_S = rng.integers(0, max(len(speakers), 1), len(speakers))
        rows = np.concatenate([np.zeros(0, dtype=int), *(rows_S[speaker] for speaker in sampled_S)])
        yield refit(fitted_on.rows(rows), seed + resample + 1)


def _means(model: PoolingModel, inputs: PoolingInputs, tertile_N: np.ndarray) -> np.ndarray:
    """Mean kappa ``mean_AT`` of every ALM over the utterances it answered: all of them, then by tertile."""
    kappa_NA = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA).kappa_NA
    answered_NA = np.isfinite(inputs.q_NAK).all(2)
    masks = [np.ones(len(tertile_N), dtype=bool), *(tertile_N == t for t in range(len(TERTILES)))]
    sums_AT = np.stack([(kappa_NA * mask_N[:, None]).sum(0) for mask_N in masks], axis=1)
    counts_AT = np.stack([(answered_NA & mask_N[:, None]).sum(0) for mask_N in masks], axis=1)
    return np.where(counts_AT > 0, sums_AT / np.maximum(counts_AT, 1), np.nan)
