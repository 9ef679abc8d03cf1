"""Clips that are longer than the ALM accepts: cut into windows whose answers are averaged, or rejected."""

from __future__ import annotations

from typing import Literal

import polars as pl

from ambivox.models.tables import Utterances

OnLong = Literal["window", "error"]

# Why items have no answer.
ITEM_REJECTS = pl.Schema({"key": pl.String, "reason": pl.String, "detail": pl.String})


def too_long(seconds: float, limit: float) -> str:
    """Why a clip is rejected that is longer than the ALM accepts, both in seconds."""
    return f"{seconds:.1f} s, this ALM accepts at most {limit:g} s; use --on-long window to cut it"


def without_windows(
    items: pl.DataFrame, answers: pl.DataFrame, utterances: Utterances, limit: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out the answers of an earlier run that cut clips into windows, for a run that rejects these clips.

    Args:
        items: the run's items (``work_items.ITEMS``).
        answers: answers of the vote store.
        utterances: the utterances, whose durations the reasons name.
        limit: the longest clip that the ALM accepts, in seconds.

    Returns:
        The answers about clips in one window, and the rejected items (ITEM_REJECTS).
    """
    is_cut = (pl.col("windows") > 1).fill_null(value=False)
    durations = utterances.frame.select("utterance_id", "duration_seconds")
    cut = items.join(answers.filter(is_cut), on="key", how="semi").join(
        durations, on="utterance_id", how="left"
    )
    detail = pl.Series([too_long(seconds, limit) for seconds in cut["duration_seconds"]], dtype=pl.String)
    rejects = cut.select("key", reason=pl.lit("too long"), detail=detail)
    return answers.filter(~is_cut), rejects.cast(ITEM_REJECTS)
