"""Which of the requested answers are not stored yet."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def missing(folder: Path, keys: pl.DataFrame) -> pl.DataFrame:
    """An anti-join with the keys of all files."""
    stored = pl.scan_parquet(folder / "*.parquet").select("key")
    return keys.lazy().join(stored, on="key", how="anti", maintain_order="left").collect(engine="streaming")
