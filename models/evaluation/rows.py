"""The metric row: all figures of one source of distributions or one model, under the same names everywhere.

A row is a flat mapping. ``js``, ``bc``, ``accuracy`` and ``entropy`` are means over utterances with their
interval over speakers in ``*_low`` and ``*_high``; ``js_low_over_utterances`` and ``js_high_over_utterances`` bound
the interval of ``js`` over utterances; ``js_low_ambiguity``, ``js_medium_ambiguity`` and ``js_high_ambiguity`` are
means by ambiguity tertile; ``f1_macro``, ``f1_weighted``, ``ece`` and ``r2`` are of the whole table;
``utterances`` counts those with a score and ``missing`` those without one. JS is the base-2 divergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.confidence_calibration import expected_calibration_error
from ambivox.models.statistics.intervals import GroupIds, mean_interval


def metric_row(
    truth_NK: np.ndarray,
    prediction_NK: np.ndarray,
    *,
    speakers_N: GroupIds | None = None,
    ambiguity_N: np.ndarray | None = None,
    level: float = 0.95,
) -> dict[str, float]:
    """All figures of one source or model against human distributions.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions; rows of nan are missing and left out.
        speakers_N: a speaker per utterance, for the intervals; None gives intervals over utterances.
        ambiguity_N: ambiguity per utterance, for the tertiles; None leaves them out.
        level: coverage of the intervals, between 0 and 1.

    Returns:
        The row; undefined figures are nan.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> row = metric_row(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [np.nan, np.nan]]))
        >>> row["js"], row["accuracy"], row["utterances"], row["missing"]
        (0.0, 1.0, 1, 1)
    """
    answered_N = np.isfinite(prediction_NK).all(1)
    p_NK, q_NK = truth_NK[answered_N], prediction_NK[answered_N]
    scores = {
        "js": metrics.jensen_shannon(p_NK, q_NK),
        "bc": metrics.bhattacharyya(p_NK, q_NK),
        "accuracy": dominant_emotion.correct(p_NK, q_NK),
        "entropy": metrics.entropy(q_NK),
    }
    scores_of_all = {}
    for name, score_M in scores.items():
        scores_of_all[name] = np.full(len(truth_NK), np.nan)
        scores_of_all[name][answered_N] = score_M
    row = score_row(
        scores_of_all,
        speakers_N=speakers_N,
        ambiguity_N=ambiguity_N,
        level=level,
    )
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
    ambiguity_N: np.ndarray | None = None,
    level: float = 0.95,
) -> dict[str, float]:
    """The part of a metric row that follows from scores per utterance; the human ceiling has no other part.

    Args:
        scores: N scores by name, ``js`` among them; nan where an utterance has none.
        speakers_N: see ``metric_row``.
        ambiguity_N: see ``metric_row``.
        level: see ``metric_row``.

    Returns:
        The row; undefined figures are nan.

    Examples:
        >>> row = score_row({"js": np.array([0.25, 0.25, np.nan])}, ambiguity_N=np.array([0.0, 0.5, 1.0]))
        >>> row["js"], row["js_low"], row["js_high"], row["utterances"], row["missing"]
        (0.25, 0.25, 0.25, 2, 1)
        >>> row["js_low_ambiguity"], row["js_medium_ambiguity"], row["js_high_ambiguity"]
        (0.25, 0.25, nan)
    """
    row: dict[str, float] = {}
    for name, score_N in scores.items():
        defined_N = np.isfinite(score_N)
        interval = mean_interval(score_N[defined_N], select(speakers_N, defined_N), level=level)
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    js_N = scores["js"]
    defined_N = np.isfinite(js_N)
    interval = mean_interval(js_N[defined_N], level=level)
    row |= {"js_low_over_utterances": interval.low, "js_high_over_utterances": interval.high}
    row |= {"utterances": int(defined_N.sum()), "missing": int((~defined_N).sum())}
    if ambiguity_N is not None:
        tertile_N = tertiles(ambiguity_N)
        for number, name in enumerate(TERTILES):
            score_T = js_N[defined_N & (tertile_N == number)]
            row[f"js_{name}_ambiguity"] = float(score_T.mean()) if len(score_T) else float("nan")
    return row


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
