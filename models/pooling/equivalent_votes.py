"""What an ALM is worth: its mean kappa, in human votes, and how sure that is.

Intervals come from refitting the whole model on resampled training speakers (the cluster bootstrap) and
looking at the same pooled utterances each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.fit import Evidence
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.bootstrap import Interval
from ambivox.models.statistics.metrics import entropy


@dataclass(frozen=True)
class Worth:
    """Human votes that one ALM is worth per utterance that it answered for: overall and by ambiguity."""

    alm: str
    overall: Interval
    by_ambiguity: dict[str, Interval]  # low, medium, high third by the entropy of the pooled distribution


def worth(
    model: PoolingModel,
    pooled_on: Evidence,
    fitted_on: Evidence,
    refit: Callable[[Evidence, int], PoolingModel],
    *,
    resamples: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Worth, ...]:
    """The worth of every ALM of the model.

    Args:
        model: as fitted on ``fitted_on``.
        pooled_on: the utterances whose kappas are averaged.
        fitted_on: the training speakers' utterances.
        refit: fits a model on resampled evidence, given a seed.
        resamples: how many; 0 gives intervals of nan.
        level: of the intervals.
        seed: of the resampling.
    """
    pooled = pool(model, pooled_on.n_NK, pooled_on.q_NAK, pooled_on.label_mass_NA)
    third_N = tertiles(entropy(pooled.p_NK)) if len(pooled.p_NK) else np.zeros(0, dtype=int)
    answered_NA = np.isfinite(pooled_on.q_NAK).all(2)
    means_RAT = (
        np.stack(
            [
                _means(other, pooled_on, answered_NA, third_N)
                for other in track(
                    _refits(fitted_on, refit, resamples, seed), "bootstrap of kappa", resamples
                )
            ]
        )
        if resamples
        else np.full((1, len(model.alms), 4), np.nan)
    )
    mean_AT = _means(model, pooled_on, answered_NA, third_N)
    low_AT, high_AT = np.quantile(means_RAT, [(1 - level) / 2, (1 + level) / 2], axis=0)
    made = []
    for a, alm in enumerate(model.alms):
        # The estimate itself belongs in its interval, which some twenty refits alone do not ensure.
        overall, *thirds = (
            Interval(value, min(low, value), max(high, value))
            for value, low, high in zip(
                mean_AT[a].tolist(), low_AT[a].tolist(), high_AT[a].tolist(), strict=True
            )
        )
        made.append(Worth(alm.alm, overall, dict(zip(TERTILES, thirds, strict=True))))
    return tuple(made)


def _refits(
    fitted_on: Evidence, refit: Callable[[Evidence, int], PoolingModel], resamples: int, seed: int
) -> Iterator[PoolingModel]:
    rng = np.random.default_rng(seed)
    names, start_N = np.unique(fitted_on.speaker_N, return_inverse=True)
    rows_S = [np.flatnonzero(start_N == speaker) for speaker in range(len(names))]
    for resample in range(resamples):
        drawn = rng.integers(0, len(names), len(names)) if len(names) else np.zeros(0, dtype=int)
        rows = (
            np.concatenate([rows_S[speaker] for speaker in drawn]) if len(drawn) else np.zeros(0, dtype=int)
        )
        yield refit(fitted_on.rows(rows), seed + resample + 1)


def _means(
    model: PoolingModel, evidence: Evidence, answered_NA: np.ndarray, third_N: np.ndarray
) -> np.ndarray:
    """Mean kappa ``mean_AT`` of every ALM: over all utterances that it answered for, and by third."""
    kappa_NA = pool(model, evidence.n_NK, evidence.q_NAK, evidence.label_mass_NA).kappa_NA
    masks = [np.ones(len(third_N), dtype=bool), *(third_N == third for third in range(3))]
    sums_AT = np.stack([(kappa_NA * mask[:, None]).sum(0) for mask in masks], axis=1)
    counts_AT = np.stack([(answered_NA & mask[:, None]).sum(0) for mask in masks], axis=1)
    return np.where(counts_AT > 0, sums_AT / np.maximum(counts_AT, 1), np.nan)
