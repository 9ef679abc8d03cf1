"""The fine-tuning matrix: every model against the human votes on the test speakers, with references.

Targets are human votes only, on the split test only. Rows: the fine-tuned models by source and DiME-Aug;
``zero-shot``, the ALM's own answers averaged; ``prior``, the corpus prior of the split train; ``votes``, the votes
that were not held out; ``ceiling``, a random half of an utterance's human votes against the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.ceiling import split_half
from ambivox.models.evaluation.human_targets import HumanTargets
from ambivox.models.evaluation.predictions import Prediction
from ambivox.models.evaluation.rows import metric_row, score_row, select
from ambivox.models.statistics import dominant_emotion
from ambivox.models.statistics.ambiguity import ambiguity
from ambivox.models.statistics.confidence_calibration import calibration_curve
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.paired_tests import PairedTest, paired_test

_BASELINES = ("human-on", "human-off")
_DIGITS = 6


def metrics_by_model(
    predictions: Sequence[Prediction], targets: HumanTargets, *, seed: int = 0
) -> dict[str, dict[str, float]]:
    """The metric row of every model and of the ceiling, as stored in metrics.json.

    Args:
        predictions: of models and references.
        targets: the human votes.
        seed: of the halves of the ceiling.

    Returns:
        Rows by name (see models/evaluation/rows.py), rounded; undefined figures are left out. The ceiling is
        left out where no utterance has two votes.
    """
    options: dict[str, Any] = {
        "speakers_N": targets.speakers,
        "ambiguity_N": ambiguity(targets.n_NK),
    }
    rows = {model.name: metric_row(targets.p_NK, model.q_NK, **options) for model in predictions}
    halves = split_half(targets.all_NK, seed=seed)
    if np.isfinite(halves["js"]).any():
        rows["ceiling"] = score_row(halves, **options)
    return {
        name: {figure: round(value, _DIGITS) for figure, value in row.items() if np.isfinite(value)}
        for name, row in rows.items()
    }


def compare_with_baseline(
    models: Sequence[Prediction], targets: HumanTargets, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """JS of every model minus that of ``human-on`` (or ``human-off``), tested in pairs over speakers.

    Args:
        models: the fine-tuned models.
        targets: the human votes.
        seed: of the test.

    Returns:
        Tests by "model - baseline"; empty where neither baseline was trained.
    """
    by_name = {model.name: model for model in models}
    baseline = next((by_name[name] for name in _BASELINES if name in by_name), None)
    if baseline is None:
        return {}
    comparisons = {}
    for model in models:
        if model is not baseline:
            test = paired_js_test(model, baseline, targets, seed=seed)
            interval = test.difference
            comparisons[f"{model.name} - {baseline.name}"] = {
                "js": {"value": interval.value, "low": interval.low, "high": interval.high},
                "p_value": test.p_value,
                "least_p_value": test.least_p_value,
                "share_better": test.share_lower,
                "groups": test.groups,
            }
    return comparisons


def paired_js_test(
    first: Prediction, second: Prediction, targets: HumanTargets, *, seed: int = 0
) -> PairedTest:
    """Whether the first model's JS is lower than the second's, on the utterances that both predict.

    Args:
        first: a model.
        second: another model.
        targets: the human votes.
        seed: of the test.
    """
    both_N = first.answered_N & second.answered_N
    p_MK = targets.p_NK[both_N]
    return paired_test(
        jensen_shannon(p_MK, first.q_NK[both_N]),
        jensen_shannon(p_MK, second.q_NK[both_N]),
        select(targets.speakers, both_N),
        seed=seed,
    )


def calibration_curves(predictions: Sequence[Prediction], targets: HumanTargets) -> pl.DataFrame:
    """The calibration curve of every model, without empty bins.

    Args:
        predictions: of models and references.
        targets: the human votes.

    Returns:
        Columns model, confidence, accuracy, utterances.
    """
    parts = []
    for model in predictions:
        curve = calibration_curve(targets.p_NK[model.answered_N], model.q_NK[model.answered_N])
        filled_B = curve.count_B > 0
        parts.append(
            pl.DataFrame(
                {
                    "model": [model.name] * int(filled_B.sum()),
                    "confidence": curve.confidence_B[filled_B],
                    "accuracy": curve.accuracy_B[filled_B],
                    "utterances": curve.count_B[filled_B].astype(np.int64),
                }
            )
        )
    return pl.concat(parts)


def confusion_counts(model: Prediction, targets: HumanTargets) -> list[list[float]]:
    """Counts of dominant emotions, the humans' in rows.

    Args:
        model: a model.
        targets: the human votes.
    """
    answered_N = model.answered_N
    counts: list[list[float]] = dominant_emotion.confusion(
        targets.p_NK[answered_N], model.q_NK[answered_N]
    ).tolist()
    return counts
