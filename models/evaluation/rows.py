"""The metric row: all figures of one source of distributions or one model, under the same names everywhere.

A row is a flat mapping. ``nll`` (nats per held-out vote), ``squared_error`` (to the true distribution) and ``js`` are
lower for better distributions; the first two are proper scores, and ``js`` (the base-2 divergence to the votes'
shares) is there for comparison with the paper. They, ``bc``, ``accuracy`` and ``entropy`` are means over utterances
with their interval over speakers in ``*_low`` and ``*_high``; ``*_low_over_utterances`` and
``*_high_over_utterances`` bound the interval over utterances; ``*_low_ambiguity``, ``*_medium_ambiguity`` and
``*_high_ambiguity`` are means by ambiguity tertile (models/evaluation/ambiguity_strata.py); ``f1_macro``,
``f1_weighted``, ``ece`` and ``r2`` are of the whole table; ``utterances`` counts those with a score,
``missing`` those without one, ``nll_infinite`` those where a voted label has probability 0 (``nll`` is then infinite:
null in JSON) and ``squared_error_utterances`` those with two votes or more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ambivox.models.evaluation.ambiguity_strata import AmbiguityStrata
from ambivox.models.evaluation.scores import DIVERGENCES, RANGES, divergences, score_shares
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.confidence_calibration import expected_calibration_error
from ambivox.models.statistics.groups import GroupIds
from ambivox.models.statistics.intervals import Interval, mean_interval
from ambivox.models.statistics.vote_counts import shares


def metric_row(
    counts_NK: np.ndarray,
    prediction_NK: np.ndarray,
    *,
    vote_square_N: np.ndarray | None = None,
    speakers_N: GroupIds | None = None,
    strata: AmbiguityStrata | None = None,
    level: float = 0.95,
) -> dict[str, float]:
    """All figures of one source or model against human votes.

    Args:
        counts_NK: the target votes, at least one per utterance.
        prediction_NK: predicted distributions; rows of nan are missing and left out.
        vote_square_N: see ``divergences``.
        speakers_N: a speaker per utterance, for the intervals; None gives intervals over utterances.
        strata: ambiguity tertiles; None leaves them out.
        level: coverage of the intervals, between 0 and 1.

    Returns:
        The row; undefined figures are nan.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> row = metric_row(np.array([[2, 0], [1, 1]]), np.array([[1.0, 0.0], [np.nan, np.nan]]))
        >>> row["nll"], row["squared_error"], row["js"], row["accuracy"], row["utterances"], row["missing"]
        (0.0, 0.0, 0.0, 1.0, 1, 1)
    """
    answered_N = np.isfinite(prediction_NK).all(1)
    scores = divergences(counts_NK, prediction_NK, vote_square_N) | {
        "bc": score_shares(metrics.bhattacharyya, counts_NK, prediction_NK),
        "accuracy": score_shares(dominant_emotion.correct, counts_NK, prediction_NK),
        "entropy": score_shares(lambda _, q_NK: metrics.entropy(q_NK), counts_NK, prediction_NK),
    }
    row = score_row(scores, speakers_N=speakers_N, level=level)
    if strata is not None:
        in_strata = divergences(strata.target_MK, prediction_NK[strata.row_M], strata.vote_square_M)
        for name, score_M in in_strata.items():
            for number, tertile in enumerate(TERTILES):
                row[f"{name}_{tertile}_ambiguity"] = _mean(score_M[strata.tertile_M == number])
    p_NK, q_NK = shares(counts_NK)[answered_N], prediction_NK[answered_N]
    return row | {
        "f1_macro": dominant_emotion.f1_macro(p_NK, q_NK),
        "f1_weighted": dominant_emotion.f1_weighted(p_NK, q_NK),
        "ece": expected_calibration_error(p_NK, q_NK),
        "r2": metrics.r2_mean(p_NK, q_NK),
    }


def score_row(
    scores: Mapping[str, np.ndarray],
    *,
    speakers_N: GroupIds | None = None,
    level: float = 0.95,
) -> dict[str, float]:
    """The part of a metric row that follows from scores per utterance; human ceiling and floor have no other part.

    Args:
        scores: N scores by name, ``js`` among them; nan where an utterance has none.
        speakers_N: see ``metric_row``.
        level: see ``metric_row``.

    Returns:
        The row; undefined figures are nan.

    Examples:
        >>> row = score_row({"nll": np.array([0.5, np.inf, np.nan]), "js": np.array([0.25, 0.25, np.nan])})
        >>> row["js"], row["js_low"], row["js_high"], row["utterances"], row["missing"]
        (0.25, 0.25, 0.25, 2, 1)
        >>> row["nll"], row["nll_infinite"]
        (inf, 1)
    """
    row: dict[str, float] = {}
    for name, score_N in scores.items():
        interval = interval_of_defined(score_N, speakers_N, level=level, score=name)
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        if name in DIVERGENCES:
            interval = interval_of_defined(score_N, None, level=level, score=name)
            row |= {
                f"{name}_low_over_utterances": interval.low,
                f"{name}_high_over_utterances": interval.high,
            }
    if "nll" in scores:
        row["nll_infinite"] = int(np.isinf(scores["nll"]).sum())
    if "squared_error" in scores:
        row["squared_error_utterances"] = int(np.isfinite(scores["squared_error"]).sum())
    defined_N = np.isfinite(scores["js"])
    return row | {"utterances": int(defined_N.sum()), "missing": int((~defined_N).sum())}


def interval_of_defined(
    score_N: np.ndarray,
    speakers_N: GroupIds | None,
    *,
    level: float = 0.95,
    score: str = "",
) -> Interval:
    """The mean of a score over the utterances that have one, with its interval.

    Args:
        score_N: nan where an utterance has no score.
        speakers_N: see ``metric_row``.
        level: see ``metric_row``.
        score: its name, by which the bounds stay within its range.

    Returns:
        The interval; infinite without bounds where a score is infinite.

    Examples:
        >>> interval_of_defined(np.array([1.0, np.nan, np.inf]), None).value
        inf
    """
    if np.isinf(score_N).any():
        return Interval(float("inf"), float("nan"), float("nan"))
    defined_N = np.isfinite(score_N)
    speakers = select(speakers_N, defined_N)
    return mean_interval(score_N[defined_N], speakers, level=level).within(
        *RANGES.get(score, (-np.inf, np.inf))
    )


def _mean(score_M: np.ndarray) -> float:
    """The mean of the defined scores; nan without any."""
    defined_M = score_M[~np.isnan(score_M)]
    return float(defined_M.mean()) if len(defined_M) else float("nan")


def select(speakers_N: GroupIds | None, mask_N: np.ndarray) -> GroupIds | None:
    """The speakers of the rows in a mask; None stays None.

    Args:
        speakers_N: a speaker per utterance.
        mask_N: True for the rows to keep.

    Examples:
        >>> select(["a", None, "b"], np.array([True, True, False]))
        ['a', None]
    """
    if speakers_N is None:
        return None
    if isinstance(speakers_N, np.ndarray):
        return speakers_N[mask_N]
    return [speaker for speaker, kept in zip(speakers_N, mask_N, strict=True) if kept]


def finite(value: Any) -> Any:
    """A JSON value with every nan and infinity replaced by None, as JSON has neither.

    Args:
        value: numbers, strings, None, and lists, tuples and dictionaries of them.

    Examples:
        >>> finite({"js": 0.5, "r2": float("nan"), "fit": (1, float("inf"))})
        {'js': 0.5, 'r2': None, 'fit': [1, None]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def named_interval(name: str, interval: Interval) -> dict[str, float]:
    """An interval as figures of a row: the value as ``name``, its bounds as ``name_low`` and ``name_high``.

    Args:
        name: of the value.
        interval: the value with its bounds.
    """
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
