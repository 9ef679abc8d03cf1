"""The fine-tuning matrix: every model against the human votes on the test speakers, with references.

Targets are human votes only, on the split test only. Rows: the fine-tuned models by source and DiME-Aug;
``zero-shot``, the ALM's own answers averaged; ``prior``, the corpus prior of the splits train and development; ``votes``, the votes
that were not held out; ``human_smoothed``, the same smoothed, and ``human_prior``, the same pooled with the corpus
prior; ``ceiling``, a random half of an utterance's human votes against the other half; ``floor``, what the true
distributions would score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.ambiguity_strata import ambiguity_strata
from ambivox.models.evaluation.ceiling import knowledge_floor, split_half
from ambivox.models.evaluation.human_targets import HumanTargets
from ambivox.models.evaluation.predictions import Prediction
from ambivox.models.evaluation.rows import finite, metric_row, score_row, select
from ambivox.models.evaluation.scores import DIVERGENCES, divergences
from ambivox.models.statistics import dominant_emotion
from ambivox.models.statistics.confidence_calibration import calibration_curve
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
        Rows by name (see models/evaluation/rows.py), rounded; undefined and infinite figures are left out. Ceiling and
        floor are left out where no utterance has two votes.
    """
    options: dict[str, Any] = {"speakers_N": targets.speakers}
    square_N = targets.vote_square_N
    strata = ambiguity_strata(targets.n_NK, vote_square_N=square_N, seed=seed) if targets.held_out else None
    rows = {
        model.name: metric_row(targets.n_NK, model.q_NK, vote_square_N=square_N, strata=strata, **options)
        for model in predictions
    }
    halves = split_half(targets.all_NK, vote_square_N=targets.all_vote_square_N, seed=seed)
    if np.isfinite(halves["js"]).any():
        rows["ceiling"] = score_row(halves, **options)
        rows["floor"] = score_row(knowledge_floor(targets.all_NK, targets.n_NK, seed=seed), **options)
    return {
        name: {figure: round(value, _DIGITS) for figure, value in row.items() if np.isfinite(value)}
        for name, row in rows.items()
    }


def compare_with_baseline(
    models: Sequence[Prediction], targets: HumanTargets, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Scores of every model minus those of ``human-on`` (or ``human-off``), tested in pairs over speakers.

    Args:
        models: the fine-tuned models.
        targets: the human votes.
        seed: of the test.

    Returns:
        Tests by "model - baseline", with the difference by each score of DIVERGENCES, and ``p_value`` and
        ``share_better`` of JS beside ``p_nll`` and ``p_squared_error``; empty where neither baseline was trained.
    """
    by_name = {model.name: model for model in models}
    baseline = next((by_name[name] for name in _BASELINES if name in by_name), None)
    if baseline is None:
        return {}
    comparisons = {}
    for model in models:
        if model is not baseline:
            tests = {
                score: paired_score_test(score, model, baseline, targets, seed=seed) for score in DIVERGENCES
            }
            comparisons[f"{model.name} - {baseline.name}"] = {
                **{
                    score: {
                        "value": test.difference.value,
                        "low": test.difference.low,
                        "high": test.difference.high,
                    }
                    for score, test in tests.items()
                },
                "p_nll": tests["nll"].p_value,
                "p_squared_error": tests["squared_error"].p_value,
                "p_value": tests["js"].p_value,
                "least_p_value": tests["js"].least_p_value,
                "share_better": tests["js"].share_lower,
                "groups": tests["js"].groups,
            }
    undefined_as_null: dict[str, dict[str, Any]] = finite(comparisons)
    return undefined_as_null


def paired_score_test(
    score: str, first: Prediction, second: Prediction, targets: HumanTargets, *, seed: int = 0
) -> PairedTest:
    """Whether the first model scores lower than the second, on the utterances where both have a finite score.

    Args:
        score: of DIVERGENCES.
        first: a model.
        second: another model.
        targets: the human votes.
        seed: of the test.
    """
    first_N, second_N = (
        divergences(targets.n_NK, model.q_NK, targets.vote_square_N)[score] for model in (first, second)
    )
    both_N = np.isfinite(first_N) & np.isfinite(second_N)
    return paired_test(first_N[both_N], second_N[both_N], select(targets.speakers, both_N), seed=seed)


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
