"""The tables of a validation: a metric row per source, paired tests, tertiles, labels, speaker groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.ambiguity_strata import LEAST_VOTES
from ambivox.models.evaluation.rows import finite, metric_row, score_row, select
from ambivox.models.evaluation.saturation import Saturation
from ambivox.models.evaluation.scores import DIVERGENCES, divergences
from ambivox.models.evaluation.validation import Validation
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.confidence_calibration import calibration_curve
from ambivox.models.statistics.intervals import Interval
from ambivox.models.statistics.paired_tests import PairedTest, holm, paired_test

INDEPENDENT = "independent_votes"  # the definition of ambiguity of models/evaluation/ambiguity_strata.py
_NO_STRATA = f"fewer than three test utterances have {LEAST_VOTES} held-out votes or more, of which half would measure ambiguity"


def metrics_by_source(validation: Validation) -> dict[str, dict[str, Any]]:
    """The metric row of every source, as stored in metrics.json.

    Args:
        validation: the scores.

    Returns:
        Rows by source (see models/evaluation/rows.py), with ``squared_error_over_human`` and ``js_over_human``
        (the ratio to the source human), ``nll_minus_human_mixture`` (the difference to the baseline human_mixture: what an ALM
        adds where it is negative), ``js_truth`` (JS to the known distributions) and ``made_from_the_target`` where
        they apply; undefined figures are None.
    """
    options: dict[str, Any] = {
        "speakers_N": validation.targets.speakers,
        "level": validation.level,
    }
    rows: dict[str, dict[str, Any]] = {
        source: metric_row(validation.targets.n_NK, p_NK, strata=validation.strata, **options)
        for source, p_NK in validation.predictions.items()
    }
    rows |= {source: score_row(validation.scores[source], **options) for source in ("ceiling", "floor")}
    for source, row in rows.items():
        if "human" in validation.scores:
            for score in ("squared_error", "js"):
                row |= _named(f"{score}_over_human", validation.ratio(source, score=score))
        if "human_mixture" in validation.scores:
            difference_N = validation.scores[source]["nll"] - validation.scores["human_mixture"]["nll"]
            row |= _named("nll_minus_human_mixture", validation.interval(difference_N))
        if source in validation.known_truth:
            row |= _named("js_truth", validation.known_truth[source])
        if validation.is_made_from_target(source):
            row["made_from_the_target"] = True
    return {source: finite(row) for source, row in rows.items()}


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


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
            "tertiles_missing": None if validation.strata is not None else _NO_STRATA,
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
    """Pooled against every source, and every source against human, by every score, in pairs over speakers.

    p_holm is adjusted over the pairs of one score. Pairs with an infinite nll, as of raw votes, cannot be tested.
    """
    sources = [source for source in validation.scores if source not in ("ceiling", "floor")]
    pairs = []
    if "pooled" in sources:
        pairs += [("pooled", source) for source in sources if source != "pooled"]
    if "human" in sources:
        pairs += [(source, "human") for source in sources if source not in ("human", "pooled")]
    return [row for score in DIVERGENCES for row in _tests_by(validation, score, pairs)]


def _tests_by(validation: Validation, score: str, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The paired tests by one score."""
    tests: list[tuple[str, str, PairedTest]] = []
    for first, second in pairs:
        first_N, second_N = validation.scores[first][score], validation.scores[second][score]
        if not (np.isinf(first_N).any() or np.isinf(second_N).any()):
            used_N = np.isfinite(first_N) & np.isfinite(second_N)
            speakers = select(validation.targets.speakers, used_N)
            test = paired_test(first_N[used_N], second_N[used_N], speakers, seed=validation.seed)
            tests.append((first, second, test))
    adjusted = holm(np.array([test.p_value for _, _, test in tests]))
    return [
        {
            "first": first,
            "second": second,
            "score": score,
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
    """Scores by ambiguity tertile, and their ratio to those of the source human.

    Args:
        validation: the scores.

    Returns:
        A cell per definition of ambiguity, tertile and source. ``independent_votes`` is the definition of
        models/evaluation/ambiguity_strata.py, absent where there are too few held-out votes; the others are those of
        earlier versions, of all votes, which favours sharp answers at low and flat ones at high ambiguity.
    """
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    if (strata := validation.strata) is not None:
        in_strata = replace(
            validation,
            targets=validation.targets.rows(strata.row_M, strata.target_MK),
            scores={
                source: divergences(strata.target_MK, p_NK[strata.row_M])
                for source, p_NK in validation.predictions.items()
            },
        )
        tables[INDEPENDENT] = _by_tertile(in_strata, strata.tertile_M)
    for definition, ambiguity_N in validation.ambiguity.items():
        tables[definition] = _by_tertile(validation, tertiles(ambiguity_N))
    return tables


def _by_tertile(validation: Validation, tertile_N: np.ndarray) -> dict[str, dict[str, Any]]:
    return {
        name: {source: _cell(validation, source, tertile_N == number) for source in validation.scores}
        for number, name in enumerate(TERTILES)
    }


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
    """Scores by speaker group.

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
            str(value): {source: _cell(validation, source, values == value) for source in validation.scores}
            for value in groups[column].drop_nulls().unique().sort()
        }
    return tables


def _cell(validation: Validation, source: str, mask_N: np.ndarray) -> dict[str, Any]:
    """The scores on the utterances of a mask; ``low`` and ``high`` are the bounds of js, as in earlier versions."""
    cell: dict[str, Any] = {}
    for score in DIVERGENCES:
        cell |= _named(score, validation.interval(validation.scores[source][score], mask_N, score))
    cell |= {"low": cell.pop("js_low"), "high": cell.pop("js_high")}
    cell["utterances"] = int((np.isfinite(validation.scores[source]["js"]) & mask_N).sum())
    if "human" in validation.scores:
        cell |= _named("over_human", validation.ratio(source, mask_N=mask_N))
        ratio = validation.ratio(source, mask_N=mask_N, score="squared_error")
        cell |= _named("squared_error_over_human", ratio)
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
        The utterance's id and speaker, the ambiguity of all its votes and its tertile per definition, and the scores
        of every source, such as ``nll_pooled`` (null where undefined).
    """
    frame = validation.targets.frame
    columns: dict[str, Any] = {"utterance_id": frame["utterance_id"], "speaker": frame["speaker"]}
    for definition, ambiguity_N in validation.ambiguity.items():
        columns[f"ambiguity_{definition}"] = ambiguity_N
        columns[f"tertile_{definition}"] = tertiles(ambiguity_N)
    for score in DIVERGENCES:
        columns |= {f"{score}_{source}": score_N for source, score_N in validation.score(score).items()}
    return pl.DataFrame(columns).fill_nan(None)
