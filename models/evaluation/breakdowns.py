"""The scores of a validation by ambiguity, label and group of speakers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.rows import named_interval
from ambivox.models.evaluation.scores import DIVERGENCES, divergences
from ambivox.models.evaluation.validation import Validation
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES, tertiles

INDEPENDENT = "independent_votes"  # the definition of ambiguity of models/evaluation/ambiguity_strata.py


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
            targets=validation.targets.rows(strata),
            scores={
                source: divergences(strata.target_MK, p_NK[strata.row_M], strata.vote_square_M)
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
        cell |= named_interval(score, validation.interval(validation.scores[source][score], mask_N, score))
    cell |= {"low": cell.pop("js_low"), "high": cell.pop("js_high")}
    cell["utterances"] = int((np.isfinite(validation.scores[source]["js"]) & mask_N).sum())
    if "human" in validation.scores:
        cell |= named_interval("over_human", validation.ratio(source, mask_N=mask_N))
        ratio = validation.ratio(source, mask_N=mask_N, score="squared_error")
        cell |= named_interval("squared_error_over_human", ratio)
    return cell
