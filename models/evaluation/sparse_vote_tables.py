"""The tables of the sparse-vote trial: rows for trial.json, scores per utterance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.human_targets import known_speakers
from ambivox.models.evaluation.rows import finite, interval_of_defined, select
from ambivox.models.evaluation.scores import DIVERGENCES
from ambivox.models.evaluation.sparse_vote_trial import Scores, Trial
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.groups import GroupIds
from ambivox.models.statistics.intervals import Interval, ratio_interval
from ambivox.models.statistics.paired_tests import paired_test


def trial_rows(trial: Trial) -> list[dict[str, Any]]:
    """One row per number of kept votes and source.

    Args:
        trial: the scores.

    Returns:
        Rows with ``votes``, ``source``, ``utterances``; ``nll``, ``squared_error`` and ``js``; their comparison:
        ``nll_minus_human_mixture`` (what an ALM adds, where it is negative), ``squared_error_over_human`` and
        ``over_human`` (the ratios of squared error and of JS to the source human), with ``p_nll``,
        ``p_squared_error`` and ``p_value`` (of JS) of the paired tests; ``independent_votes`` with the same figures by
        ambiguity tertile (models/evaluation/ambiguity_strata.py; None where too few votes are left); and the ratio of
        JS by tertile of the ambiguity of all votes, per definition of earlier versions. Intervals are mappings with
        value, low and high. Undefined figures are None, such as the nll of raw votes, which is infinite
        (``nll_infinite`` counts the utterances). Intervals are over speakers; where fewer than two speakers are known,
        they are over utterances, and the row says so in ``intervals_over``.
    """
    rows = []
    for k, by_source in trial.scores.items():
        speakers = known_speakers(trial.utterances[k])
        for source, scores in by_source.items():
            row: dict[str, Any] = {
                "votes": k,
                "source": source,
                "utterances": int(np.isfinite(scores["js"]).sum()),
                "nll_infinite": int(np.isinf(scores["nll"]).sum()),
                **_figures(by_source, source, speakers),
                "p_nll": _p_value(trial, by_source, source, "human_mixture", "nll", speakers),
                "p_squared_error": _p_value(trial, by_source, source, "human", "squared_error", speakers),
                "p_value": _p_value(trial, by_source, source, "human", "js", speakers),
            }
            if speakers is None:
                row["intervals_over"] = "utterances"
            row["independent_votes"] = _by_tertile(trial, k, source)
            for definition, tertile_N in trial.tertile[k].items():
                row[definition] = {
                    name: _ratio(by_source, source, "js", speakers, tertile_N == number)
                    for number, name in enumerate(TERTILES)
                }
            rows.append(finite(row))
    return rows


def _figures(
    by_source: Mapping[str, Scores],
    source: str,
    speakers: GroupIds | None,
    mask_N: np.ndarray | None = None,
) -> dict[str, dict[str, float]]:
    """The scores of a source with their intervals, and its comparison with the humans' votes."""
    scores = by_source[source]
    added_N = scores["nll"] - by_source["human_mixture"]["nll"]
    return {
        **{name: _mean(scores[name], speakers, mask_N, name) for name in DIVERGENCES},
        "nll_minus_human_mixture": _mean(added_N, speakers, mask_N),
        "squared_error_over_human": _ratio(by_source, source, "squared_error", speakers, mask_N),
        "over_human": _ratio(by_source, source, "js", speakers, mask_N),
    }


def _by_tertile(trial: Trial, k: int, source: str) -> dict[str, dict[str, dict[str, float]]] | None:
    strata = trial.strata[k]
    if strata is None:
        return None
    frame = trial.utterances[k]
    # All pairs of an utterance are in one group, also where its speaker is unknown.
    speaker_N = known_speakers(frame)
    group_N = np.arange(frame.height) if speaker_N is None else speaker_N
    group_M = group_N[strata.row_M]
    return {
        name: _figures(strata.scores, source, group_M, strata.tertile_M == number)
        for number, name in enumerate(TERTILES)
    }


def _mean(
    score_N: np.ndarray, speakers: GroupIds | None, mask_N: np.ndarray | None, score: str = ""
) -> dict[str, float]:
    score_N = score_N if mask_N is None else np.where(mask_N, score_N, np.nan)
    return _as_mapping(interval_of_defined(score_N, speakers, score=score))


def _ratio(
    by_source: Mapping[str, Scores],
    source: str,
    score: str,
    speakers: GroupIds | None,
    mask_N: np.ndarray | None = None,
) -> dict[str, float]:
    """The mean score of a source over that of the source human, with its interval."""
    first_N, human_N = by_source[source][score], by_source["human"][score]
    used_N = np.isfinite(first_N) & np.isfinite(human_N)
    used_N = used_N if mask_N is None else used_N & mask_N
    ratio = ratio_interval(
        first_N[used_N],
        human_N[used_N],
        select(speakers, used_N),
    )
    return _as_mapping(ratio)


def _p_value(
    trial: Trial, by_source: Mapping[str, Scores], source: str, to: str, score: str, speakers: GroupIds | None
) -> float:
    """Of the paired test of two sources; nan where a score is infinite."""
    first_N, second_N = by_source[source][score], by_source[to][score]
    if np.isinf(first_N).any() or np.isinf(second_N).any():
        return float("nan")
    used_N = np.isfinite(first_N) & np.isfinite(second_N)
    return paired_test(first_N[used_N], second_N[used_N], select(speakers, used_N), seed=trial.seed).p_value


def _as_mapping(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def trial_scores(trial: Trial) -> pl.DataFrame:
    """One row per number of kept votes and utterance, as stored in scores.parquet.

    Args:
        trial: the scores.

    Returns:
        The utterance's id and speaker, the number of votes, its tertile per definition of the ambiguity of all its
        votes, and the scores of every source, such as ``nll_pooled``; undefined ones are null.
    """
    return pl.concat(
        [
            trial.utterances[k].with_columns(
                pl.lit(k).alias("votes"),
                *(pl.Series(f"tertile_{name}", tertile_N) for name, tertile_N in trial.tertile[k].items()),
                *(
                    pl.Series(f"{name}_{source}", scores[name]).fill_nan(None)
                    for name in DIVERGENCES
                    for source, scores in by_source.items()
                ),
            )
            for k, by_source in trial.scores.items()
        ]
    )
