"""The table of rejects: what a step could not use, with its place and the reason."""

from __future__ import annotations

import polars as pl

#: Columns of rejects.parquet. ``file`` and ``line`` are null where they are not known.
REJECTS = pl.Schema(
    {
        "file": pl.String,
        "line": pl.Int64,
        "utterance_id": pl.String,
        "reason": pl.String,
        "detail": pl.String,
    }
)
