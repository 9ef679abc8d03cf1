"""The tables of a validation: a metric row per source, paired tests, tertiles, labels, speaker groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.rows import finite, metric_row, score_row
from ambivox.models.evaluation.saturation import Saturation
from ambivox.models.evaluation.validation import Validation
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.confidence_calibration import calibration_curve
from ambivox.models.statistics.paired_tests import PairedTest, holm, paired_test

_FROM_HUMAN_VOTES = ("human", "combined", "pooled")


def metrics_by_source(validation: Validation) -> dict[str, dict[str, Any]]:
    """The metric row of every source, as stored in metrics.json.

    Args:
        validation: the scores.

    Returns:
        Rows by source (see models/evaluation/rows.py), with ``js_over_human`` (the ratio of JS to that of the
        source human), ``js_truth`` (JS to the known distributions) and ``made_from_the_target`` where they
        apply; undefined figures are None.
    """
    options: dict[str, Any] = {
        "speakers_N": validation.targets.speakers,
        "ambiguity_N": validation.ambiguity["entropy"],
        "level": validation.level,
    }
    rows: dict[str, dict[str, Any]] = {
        source: metric_row(validation.truth_NK, p_NK, **options)
        for source, p_NK in validation.predictions.items()
    }
    rows["ceiling"] = score_row(validation.ceiling, **options)
    for source, row in rows.items():
        if "human" in validation.js:
            ratio = validation.ratio(source)
            row |= {
                "js_over_human": ratio.value,
                "js_over_human_low": ratio.low,
                "js_over_human_high": ratio.high,
            }
        if source in validation.known_truth:
            known = validation.known_truth[source]
            row |= {"js_truth": known.value, "js_truth_low": known.low, "js_truth_high": known.high}
        if not validation.targets.held_out and source in _FROM_HUMAN_VOTES:
            row["made_from_the_target"] = True
    return {source: finite(row) for source, row in rows.items()}


def details(validation: Validation) -> dict[str, Any]:
    """All other tables, as stored in details.json.

    Args:
        validation: the scores.

    Returns:
        Tables by name; undefined figures are None.
    """
    return finite(
        {
            "target": validation.targets.description,
            "labels": list(validation.labels),
            "utterances": len(validation.truth_NK),
            "speakers": validation.targets.frame["speaker"].n_unique(),
            "target_entropy": float(metrics.entropy(validation.truth_NK).mean()),
            "human_agreement": validation.human_agreement,
            "paired_tests": _paired_tests(validation),
            "tertiles": by_tertile(validation),
            "saturation": {alm: _saturation(curve) for alm, curve in validation.saturation.items()},
            "calibration": {
                source: _calibration(validation.truth_NK, p_NK)
                for source, p_NK in validation.predictions.items()
            },
            "per_label": by_label(validation),
            "per_group": by_group(validation),
        }
    )


def _paired_tests(validation: Validation) -> list[dict[str, Any]]:
    """JS of pooled against every source, and of every source against human, tested in pairs over speakers."""
    sources = [source for source in validation.js if source != "ceiling"]
    pairs = []
    if "pooled" in sources:
        pairs += [("pooled", source) for source in sources if source != "pooled"]
    if "human" in sources:
        pairs += [(source, "human") for source in sources if source not in ("human", "pooled")]
    tests: list[tuple[str, str, PairedTest]] = [
        (
            first,
            second,
            paired_test(
                validation.js[first],
                validation.js[second],
                validation.targets.speakers,
                seed=validation.seed,
            ),
        )
        for first, second in pairs
    ]
    adjusted = holm(np.array([test.p_value for _, _, test in tests]))
    return [
        {
            "first": first,
            "second": second,
            "difference": test.difference.value,
            "low": test.difference.low,
            "high": test.difference.high,
            "p_value": test.p_value,
            "p_holm": float(p_holm),
            "least_p_holm": min(1.0, len(tests) * test.least_p_value),
            "share_of_utterances_where_first_is_closer": test.share_lower,
            "speakers": test.groups,
        }
        for (first, second, test), p_holm in zip(tests, adjusted, strict=True)
    ]


def by_tertile(validation: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS, and its ratio to that of the source human.

    Args:
        validation: the scores.

    Returns:
        A cell per definition of ambiguity, tertile and source.
    """
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for definition, ambiguity_N in validation.ambiguity.items():
        tertile_N = tertiles(ambiguity_N)
        tables[definition] = {
            name: {source: _cell(validation, source, tertile_N == number) for source in validation.js}
            for number, name in enumerate(TERTILES)
        }
    return tables


def by_label(validation: Validation) -> dict[str, dict[str, dict[str, float]]]:
    """R2, F1 and the mean probability, with the humans' mean probability (the difference is the bias).

    Args:
        validation: the scores.

    Returns:
        A cell per source and label.
    """
    target_K = validation.truth_NK.mean(0)
    tables = {}
    for source, p_NK in validation.predictions.items():
        r2_K, f1_K = (
            metrics.r2_per_label(validation.truth_NK, p_NK),
            dominant_emotion.f1_per_label(validation.truth_NK, p_NK),
        )
        tables[source] = {
            label: {
                "r2": float(r2_K[k]),
                "f1": float(f1_K[k]),
                "mean": float(p_NK[:, k].mean()),
                "mean_of_humans": float(target_K[k]),
            }
            for k, label in enumerate(validation.labels)
        }
    return tables


def by_group(validation: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS by speaker group.

    Args:
        validation: the scores.

    Returns:
        A cell per attribute (sex, age), group and source; an attribute that is unknown has no groups.
    """
    age = pl.col("age")
    bands = pl.when(age < 30).then(pl.lit("under 30")).when(age < 45).then(pl.lit("30 to 44"))
    groups = validation.targets.frame.select(
        "sex", age=bands.when(age.is_not_null()).then(pl.lit("45 and over"))
    )
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for column in groups.columns:
        values = groups[column].to_numpy()
        tables[column] = {
            str(value): {source: _cell(validation, source, values == value) for source in validation.js}
            for value in groups[column].drop_nulls().unique().sort()
        }
    return tables


def _cell(validation: Validation, source: str, mask_N: np.ndarray) -> dict[str, Any]:
    interval = validation.interval(validation.js[source], mask_N)
    cell: dict[str, Any] = {"js": interval.value, "low": interval.low, "high": interval.high}
    cell["utterances"] = int((np.isfinite(validation.js[source]) & mask_N).sum())
    if "human" in validation.js:
        ratio = validation.ratio(source, mask_N=mask_N)
        cell |= {"over_human": ratio.value, "over_human_low": ratio.low, "over_human_high": ratio.high}
    return cell


def _saturation(curve: Saturation) -> dict[str, Any]:
    return {
        "votes": curve.votes_V.tolist(),
        "js": curve.js_V.tolist(),
        "low": curve.js_low_V.tolist(),
        "high": curve.js_high_V.tolist(),
        "fit": list(curve.fit) if curve.fit else None,
        "point": curve.point,
        "point_interval": None if curve.point_interval is None else vars(curve.point_interval),
        "asymptote": curve.asymptote,
    }


def _calibration(truth_NK: np.ndarray, p_NK: np.ndarray) -> dict[str, Any]:
    curve = calibration_curve(truth_NK, p_NK)
    return {
        "edges": curve.edges.tolist(),
        "count": curve.count_B.tolist(),
        "confidence": curve.confidence_B.tolist(),
        "accuracy": curve.accuracy_B.tolist(),
        "ece": curve.error,
    }


def scores_by_utterance(validation: Validation) -> pl.DataFrame:
    """One row per utterance, as stored in scores.parquet.

    Args:
        validation: the scores.

    Returns:
        The utterance's id and speaker, its ambiguity and tertile per definition, and the JS of every source
        (null where it is undefined).
    """
    frame = validation.targets.frame
    columns: dict[str, Any] = {"utterance_id": frame["utterance_id"], "speaker": frame["speaker"]}
    for definition, ambiguity_N in validation.ambiguity.items():
        columns[f"ambiguity_{definition}"] = ambiguity_N
        columns[f"tertile_{definition}"] = tertiles(ambiguity_N)
    columns |= {f"js_{source}": js_N for source, js_N in validation.js.items()}
    return pl.DataFrame(columns).fill_nan(None)
