"""The tables of the sparse-vote trial: rows for trial.json, scores per utterance."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.human_targets import known_speakers
from ambivox.models.evaluation.rows import finite, select
from ambivox.models.evaluation.sparse_vote_trial import Trial
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.intervals import Interval, mean_interval, ratio_interval
from ambivox.models.statistics.paired_tests import paired_test


def trial_rows(trial: Trial) -> list[dict[str, Any]]:
    """One row per number of kept votes and source.

    Args:
        trial: the scores.

    Returns:
        Rows with ``votes``, ``source``, ``utterances``, ``js`` and ``over_human`` (its ratio to that of the
        source human), the ``p_value`` of the difference, and the ratio by definition of ambiguity and tertile;
        intervals are mappings with value, low and high. Undefined figures are None: the ratio where the humans'
        JS is 0, or where a tertile is empty. Intervals are over speakers; where fewer than two speakers are
        known, they are over utterances, and the row says so in ``intervals_over``.
    """
    rows = []
    for k, scores in trial.js.items():
        speakers = known_speakers(trial.utterances[k])
        for source, js_N in scores.items():
            test = paired_test(js_N, scores["human"], speakers, seed=trial.seed)
            js = mean_interval(js_N, speakers)
            row: dict[str, Any] = {
                "votes": k,
                "source": source,
                "utterances": len(js_N),
                "js": _as_mapping(js),
                "over_human": _as_mapping(_ratio(trial, k, source, np.ones(len(js_N), dtype=bool))),
                "p_value": test.p_value,
                "least_p_value": test.least_p_value,
            }
            if speakers is None:
                row["intervals_over"] = "utterances"
            for definition, tertile_N in trial.tertile[k].items():
                row[definition] = {
                    name: _as_mapping(_ratio(trial, k, source, tertile_N == number))
                    for number, name in enumerate(TERTILES)
                }
            rows.append(finite(row))
    return rows


def _ratio(trial: Trial, k: int, source: str, mask_N: np.ndarray) -> Interval:
    """Mean JS of a source over that of the source human, with its interval."""
    speakers = known_speakers(trial.utterances[k])
    return ratio_interval(
        trial.js[k][source][mask_N],
        trial.js[k]["human"][mask_N],
        select(speakers, mask_N),
    )


def _as_mapping(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def trial_scores(trial: Trial) -> pl.DataFrame:
    """One row per number of kept votes and utterance, as stored in scores.parquet.

    Args:
        trial: the scores.

    Returns:
        The utterance's id and speaker, the number of votes, its tertile per definition of ambiguity, and the
        JS of every source.
    """
    return pl.concat(
        [
            trial.utterances[k].with_columns(
                pl.lit(k).alias("votes"),
                *(pl.Series(f"tertile_{name}", tertile_N) for name, tertile_N in trial.tertile[k].items()),
                *(pl.Series(f"js_{source}", js_N) for source, js_N in scores.items()),
            )
            for k, scores in trial.js.items()
        ]
    )
