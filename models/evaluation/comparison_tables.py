"""The tables of a validation: the paper's measures per source, tests in pairs, tertiles, labels, speaker groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.comparison import Validation
from ambivox.models.evaluation.saturation import Saturation
from ambivox.models.statistics import metrics
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.bootstrap import PairedTest, holm, paired_test

_FROM_HUMAN_VOTES = ("human", "combined", "pooled")


def headline(made: Validation) -> dict[str, dict[str, Any]]:
    """Per source the paper's measures, as stored in metrics.json (JS is the base-2 divergence; nan is null)."""
    rows = {}
    for source in made.js:
        js, bc = made.interval(made.js[source]), made.interval(made.bc[source])
        each = made.interval(made.js[source], over="utterances")
        row: dict[str, Any] = {
            "js": js.value,
            "js_low": js.low,
            "js_high": js.high,
            "bc": bc.value,
            "bc_low": bc.low,
            "bc_high": bc.high,
            "js_low_over_utterances": each.low,
            "js_high_over_utterances": each.high,
            "utterances": int(np.isfinite(made.js[source]).sum()),
        }
        if "human" in made.js:
            ratio = made.ratio(source)
            row |= {
                "js_over_human": ratio.value,
                "js_over_human_low": ratio.low,
                "js_over_human_high": ratio.high,
            }
        if source in made.predictions:
            row |= _classification(made, made.predictions[source])
        if source == "ceiling":
            right = made.interval(made.ceiling_accuracy_N)
            row |= {"accuracy": right.value, "accuracy_low": right.low, "accuracy_high": right.high}
        if source in made.known_truth:
            known = made.known_truth[source]
            row |= {"js_truth": known.value, "js_truth_low": known.low, "js_truth_high": known.high}
        if made.target == "all votes" and source in _FROM_HUMAN_VOTES:
            row["made_from_the_target"] = True
        rows[source] = finite(row)
    return rows


def _classification(made: Validation, p_NK: np.ndarray) -> dict[str, float]:
    truth_NK = made.truth_NK
    right = made.interval((truth_NK.argmax(1) == p_NK.argmax(1)).astype(np.float64))
    r2_K = metrics.r2_per_label(truth_NK, p_NK)
    return {
        "accuracy": right.value,
        "accuracy_low": right.low,
        "accuracy_high": right.high,
        "f1_macro": metrics.f1_macro(truth_NK, p_NK),
        "f1_weighted": metrics.f1_weighted(truth_NK, p_NK),
        "r2": float(np.nanmean(r2_K)) if np.isfinite(r2_K).any() else float("nan"),
        "ece": metrics.expected_calibration_error(truth_NK, p_NK),
        "entropy": float(metrics.entropy(p_NK).mean()),
    }


def details(made: Validation) -> dict[str, Any]:
    """Everything else, as stored in details.json."""
    return finite(
        {
            "target": made.target,
            "labels": list(made.labels),
            "utterances": len(made.truth_NK),
            "speakers": len(set(made.speakers)),
            "target_entropy": float(metrics.entropy(made.truth_NK).mean()),
            "human_agreement": made.raters,
            "paired_tests": _tests(made),
            "tertiles": by_tertile(made),
            "saturation": {alm: _saturation(found) for alm, found in made.saturation.items()},
            "calibration": {source: _curve(made.truth_NK, p_NK) for source, p_NK in made.predictions.items()},
            "per_label": by_label(made),
            "per_group": by_group(made),
        }
    )


def _tests(made: Validation) -> list[dict[str, Any]]:
    """JS of every source against the human-only one and of pooled against all, tested in pairs over speakers."""
    sources = [source for source in made.js if source != "ceiling"]
    pairs = [("pooled", other) for other in sources if other != "pooled"] if "pooled" in sources else []
    pairs += (
        [(one, "human") for one in sources if one not in ("human", "pooled")] if "human" in sources else []
    )
    found: list[tuple[str, str, PairedTest]] = [
        (one, other, paired_test(made.js[one], made.js[other], made.speakers, seed=made.seed))
        for one, other in pairs
    ]
    adjusted = holm(np.array([test.p_value for _, _, test in found]))
    return [
        {
            "first": one,
            "second": other,
            "difference": test.difference.value,
            "low": test.difference.low,
            "high": test.difference.high,
            "p_value": test.p_value,
            "p_holm": float(holmed),
            "share_of_utterances_where_first_is_closer": test.share_lower,
            "speakers": test.groups,
        }
        for (one, other, test), holmed in zip(found, adjusted, strict=True)
    ]


def by_tertile(made: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS (and its ratio to the human-only one) per definition of ambiguity, tertile and source."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for definition, ambiguity_N in made.ambiguity.items():
        third_N = tertiles(ambiguity_N)
        tables[definition] = {
            name: {source: _cell(made, source, third_N == third) for source in made.js}
            for third, name in enumerate(TERTILES)
        }
    return tables


def by_label(made: Validation) -> dict[str, dict[str, dict[str, float]]]:
    """Per source and label: R2, F1, and the mean probability beside the humans' (a bias shows there)."""
    target_K = made.truth_NK.mean(0)
    tables = {}
    for source, p_NK in made.predictions.items():
        r2_K, f1_K = metrics.r2_per_label(made.truth_NK, p_NK), metrics.f1_per_label(made.truth_NK, p_NK)
        tables[source] = {
            label: {
                "r2": float(r2_K[k]),
                "f1": float(f1_K[k]),
                "mean": float(p_NK[:, k].mean()),
                "mean_of_humans": float(target_K[k]),
            }
            for k, label in enumerate(made.labels)
        }
    return tables


def by_group(made: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS per speaker group (sex, age band) and source, where the corpus knows them."""
    age = pl.col("age")
    bands = pl.when(age < 30).then(pl.lit("under 30")).when(age < 45).then(pl.lit("30 to 44"))
    groups = made.utterances.select("sex", age=bands.when(age.is_not_null()).then(pl.lit("45 and over")))
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for column in groups.columns:
        values = groups[column].to_numpy()
        tables[column] = {
            str(value): {source: _cell(made, source, values == value) for source in made.js}
            for value in groups[column].drop_nulls().unique().sort()
        }
    return tables


def _cell(made: Validation, source: str, mask_N: np.ndarray) -> dict[str, Any]:
    found = made.interval(made.js[source], mask_N)
    cell: dict[str, Any] = {"js": found.value, "low": found.low, "high": found.high}
    cell["utterances"] = int((np.isfinite(made.js[source]) & mask_N).sum())
    if "human" in made.js:
        ratio = made.ratio(source, mask_N=mask_N)
        cell |= {"over_human": ratio.value, "over_human_low": ratio.low, "over_human_high": ratio.high}
    return cell


def _saturation(found: Saturation) -> dict[str, Any]:
    return {
        "votes": found.votes_V.tolist(),
        "js": found.js_V.tolist(),
        "low": found.js_low_V.tolist(),
        "high": found.js_high_V.tolist(),
        "fit": list(found.fit) if found.fit else None,
        "point": found.point,
        "asymptote": found.asymptote,
    }


def _curve(truth_NK: np.ndarray, p_NK: np.ndarray) -> dict[str, Any]:
    curve = metrics.calibration_curve(truth_NK, p_NK)
    return {
        "edges": curve.edges.tolist(),
        "count": curve.count_B.tolist(),
        "confidence": curve.confidence_B.tolist(),
        "accuracy": curve.accuracy_B.tolist(),
        "ece": curve.error,
    }


def finite(value: Any) -> Any:
    """``value`` with every nan and infinity replaced by None, as JSON has neither."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def scores(made: Validation) -> pl.DataFrame:
    """One row per utterance: its speaker, ambiguity, tertiles, and the JS of every source (null if undefined)."""
    columns: dict[str, Any] = {
        "utterance_id": made.utterances["utterance_id"],
        "speaker": made.utterances["speaker"],
    }
    for definition, ambiguity_N in made.ambiguity.items():
        columns[f"ambiguity_{definition}"] = ambiguity_N
        columns[f"tertile_{definition}"] = tertiles(ambiguity_N)
    columns |= {f"js_{source}": js_N for source, js_N in made.js.items()}
    return pl.DataFrame(columns).fill_nan(None)
