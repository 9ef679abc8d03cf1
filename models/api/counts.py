"""Numbers of votes in a column per label, and columns of numbers that are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from ambivox.models.api.frames import UTTERANCE, numbers
from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.count_columns import are_percent

# A column whose name has only such words (and single letters and digits) is no label, unless labels are listed.
_NO_LABELS = frozenset(
    [
        *("age", "annotator", "annotators", "audio", "begin", "birth", "clip", "code"),
        *("confidence", "count", "counts", "date", "duration", "end", "f0", "file", "fold"),
        *("frame", "frames", "gender", "height", "hz", "id", "ids", "idx", "index", "length"),
        *("level", "line", "max", "mean", "min", "ms", "num", "number", "offset", "onset"),
        *("order", "pitch", "rate", "rater", "raters", "rating", "ratings", "recording"),
        *("responses", "row", "rows", "sample", "score", "sd", "sec", "second", "seconds"),
        *("seed", "segment", "session", "sex", "size", "speaker", "split", "start", "std"),
        *("stop", "sum", "take", "task", "time", "timestamp", "total", "trial", "turn"),
        *("unnamed", "utterance", "utterances", "valid", "vote", "voter", "voters", "votes"),
        *("weight", "weights", "wer", "year"),
    ]
)
_LARGE, _TIMES = 100, 10
_TOLERANCE = 0.02


def check_counts(frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """The columns of labels as numbers of votes; what is missing is 0.

    Args:
        frame: a row per utterance.
        labels: K columns.

    Raises:
        UserError: numbers are no counts, are negative or infinite, or are shares or percent.

    Examples:
        >>> check_counts(pl.DataFrame({"utterance_id": ["u"], "joy": [2], "anger": [None]}), ["joy", "anger"]).rows()
        [(2.0, 0.0)]
    """
    counts = numbers(frame, labels, "votes").fill_null(0.0)
    n_NK = counts.to_numpy()
    if not np.isfinite(n_NK).all() or (n_NK < 0).any():
        raise UserError(
            "votes: the columns of the labels must hold numbers of votes, found negative or infinite ones"
        )
    sum_M = n_NK.sum(1)
    sum_M = sum_M[sum_M > 0]
    is_share = (np.abs(sum_M - 1) <= _TOLERANCE).all() and (n_NK != np.round(n_NK)).any()
    if len(sum_M) > 1 and (is_share or are_percent(pl.Series(sum_M))):
        raise UserError(
            f"votes: the columns {', '.join(map(repr, labels[:12]))} hold {'shares' if is_share else 'percent'} (all rows sum "
            f"to {1 if is_share else 100}), expected numbers of votes: multiply by the number of votes on the utterance"
            f"{'' if is_share else ' / 100'}, or give a row per vote"
        )
    return counts


def check_inferred(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Check that columns of numbers that nobody called labels may hold numbers of votes.

    Args:
        frame: a row per utterance.
        columns: the columns.

    Raises:
        UserError: a column is called like something else, holds numbers that are not whole, or is more than 10 times as large
            as all others, and larger than 100.

    Examples:
        >>> check_inferred(pl.DataFrame({"utterance_id": ["u"], "joy": [2], "anger": [1]}), ["joy", "anger"])
    """
    counts = numbers(frame, columns, "votes").fill_null(0.0)
    largest = {column: float(counts[column].max() or 0) for column in columns}  # type: ignore[arg-type]
    for column in columns:
        parts = [part for part in words(column) if len(part) > 1 and not part.isdecimal()]
        others = max((largest[other] for other in columns if other != column), default=0.0)
        not_whole = frame.filter(counts[column] != counts[column].round())
        if parts and set(parts) <= _NO_LABELS:
            reason = "is not called like a label"
        elif not_whole.height:
            value, utterance = not_whole[column][0], not_whole[UTTERANCE][0]
            reason = f"holds {value} ({UTTERANCE} {utterance!r}), which is no whole number"
        elif len(columns) > 1 and largest[column] > max(_LARGE, _TIMES * others):
            reason = f"holds {largest[column]:g}, and the other columns no more than {others:g}"
        else:
            continue
        rest = [other for other in columns if other != column]
        raise UserError(
            f"votes: the column of numbers {column!r} {reason}, expected numbers of votes per label; say which columns are "
            f"labels, as labels={rest[:12]}, or leave the column out"
        )
