"""The tables of a validation: a metric row per source, paired tests, and what else metrics.json and details.json hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.ambiguity_strata import LEAST_VOTES
from ambivox.models.evaluation.breakdowns import by_group, by_label, by_tertile
from ambivox.models.evaluation.rows import finite, metric_row, named_interval, score_row, select
from ambivox.models.evaluation.saturation import Saturation
from ambivox.models.evaluation.scores import DIVERGENCES
from ambivox.models.evaluation.validation import Validation
from ambivox.models.statistics import metrics
from ambivox.models.statistics.ambiguity import tertiles
from ambivox.models.statistics.confidence_calibration import calibration_curve
from ambivox.models.statistics.paired_tests import PairedTest, holm, paired_test

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
        source: metric_row(
            validation.targets.n_NK,
            p_NK,
            vote_square_N=validation.targets.vote_square_N,
            strata=validation.strata,
            **options,
        )
        for source, p_NK in validation.predictions.items()
    }
    rows |= {source: score_row(validation.scores[source], **options) for source in ("ceiling", "floor")}
    for source, row in rows.items():
        if "human" in validation.scores:
            for score in ("squared_error", "js"):
                row |= named_interval(f"{score}_over_human", validation.ratio(source, score=score))
        if "human_mixture" in validation.scores:
            difference_N = validation.scores[source]["nll"] - validation.scores["human_mixture"]["nll"]
            row |= named_interval("nll_minus_human_mixture", validation.interval(difference_N))
        if source in validation.known_truth:
            row |= named_interval("js_truth", validation.known_truth[source])
        if validation.is_made_from_target(source):
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
            "speakers": validation.targets.frame["speaker"].drop_nulls().n_unique(),
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
    """The paired tests by one score.

    ``intervals_over`` says where they are over utterances, as fewer than two speakers are known; ``speakers`` then counts these.
    """
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
            **({} if validation.targets.speakers is not None else {"intervals_over": "utterances"}),
        }
        for (first, second, test), p_holm in zip(tests, adjusted, strict=True)
    ]


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
