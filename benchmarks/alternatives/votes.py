"""Counting votes per utterance."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq


def polars_streaming(path: Path) -> pl.DataFrame:
    """Votes per utterance and label, by polars' streaming engine."""
    return (
        pl.scan_parquet(path)
        .group_by("utterance_id", "label")
        .agg(pl.col("weight").sum())
        .collect(engine="streaming")
    )


def read_alone(path: Path) -> int:
    """Read what counting needs from the file, and do nothing with it; the number of rows."""
    with pq.ParquetFile(path, read_dictionary=["label", "annotator_kind"], pre_buffer=False) as file:
        columns = ["utterance_id", "label", "annotator_kind", "weight"]
        return sum(block.num_rows for block in file.iter_batches(2**17, columns=columns))


def counters(path: Path) -> dict[str, Counter[str]]:
    """A ``collections.Counter`` per utterance, from a CSV file."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            counts[row["utterance_id"]][row["label"]] += float(row["weight"])  # type: ignore[assignment]
    return counts
