"""Votes to distributions: counting a file of votes in random order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.pooling.vote_file import VoteFile
from benchmarks.alternatives import votes as alternatives
from benchmarks.harness import Method, Row

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
_VOTES, _UTTERANCES = 10_000_000, 1_000_000
_CHUNK = 1_000_000
_SHARE = 0.01  # of the utterances, for the method that takes long


def write_inputs(folder: Path, scale: float) -> None:
    """A votes table in random order, the ids of its utterances, and the votes of the first ones as CSV."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    votes, utterances = round(_VOTES * scale), round(_UTTERANCES * scale)
    rng = np.random.default_rng(0)
    text = pa.large_string()
    schema = pa.schema(
        [
            *((name, text) for name in ("utterance_id", "annotator_id", "annotator_kind", "label")),
            ("weight", pa.float64()),
        ],
        metadata={"ambivox.labels": json.dumps(LABELS), "ambivox.table": "votes"},
    )
    few = []
    with pq.ParquetWriter(folder / "votes.parquet", schema, compression="zstd") as writer:
        for start in range(0, votes, _CHUNK):
            rows = min(_CHUNK, votes - start)
            number_M = rng.integers(0, utterances, rows)
            frame = pl.DataFrame(
                {
                    "utterance_id": _ids(number_M),
                    "annotator_id": pl.Series(rng.integers(0, 20_000, rows)).cast(pl.String),
                    "annotator_kind": pl.Series(["human"]).new_from_index(0, rows),
                    "label": pl.Series(LABELS)[rng.integers(0, len(LABELS), rows)],
                    "weight": np.ones(rows),
                }
            )
            writer.write_table(frame.to_arrow().cast(schema))
            few.append(frame.filter(pl.Series(number_M < _SHARE * utterances)))
    _ids(np.arange(utterances)).to_frame("utterance_id").write_parquet(folder / "ids.parquet")
    pl.concat(few).write_csv(folder / "few votes.csv")


def _ids(number_M: NDArray[np.int64]) -> pl.Series:
    return pl.Series(number_M).cast(pl.String).str.zfill(9)


def _ours(folder: Path) -> Callable[[], NDArray[np.float64]]:
    ids = pl.read_parquet(folder / "ids.parquet")["utterance_id"]
    return lambda: VoteFile.open(folder / "votes.parquet").counts(ids)


def _from_polars(counts: pl.DataFrame) -> NDArray[np.float64]:
    n_NK = np.zeros((int(counts["utterance_id"].cast(pl.Int64).max()) + 1, len(LABELS)))  # type: ignore[arg-type]
    label_M = counts["label"].cast(pl.Enum(LABELS)).to_physical().to_numpy()
    n_NK[counts["utterance_id"].cast(pl.Int64).to_numpy(), label_M] = counts["weight"].to_numpy()
    return n_NK


def _from_counters(counts: dict[str, Counter[str]]) -> NDArray[np.float64]:
    none: Counter[str] = Counter()
    last = max(int(name) for name in counts)
    rows: list[Any] = [counts.get(f"{row:09}", none) for row in range(last + 1)]
    return np.array([[row[label] for label in LABELS] for row in rows], dtype=np.float64)


ROW = Row(
    title="count 10 million votes on a million utterances, from a Parquet file in random order, by utterance and label",
    write_inputs=write_inputs,
    methods={
        "ours": Method(
            "`VoteFile`: checks every row and fills an array in the order of given utterances", _ours
        ),
        "polars": Method(
            "polars' streaming group-by; no checks, and a table of groups in any order",
            lambda folder: lambda: alternatives.polars_streaming(folder / "votes.parquet"),
            array=_from_polars,
        ),
        "reading alone": Method(
            "pyarrow reads the same columns, and nothing is done with them: what remains of 100 times Counter's speed where "
            "looking up, checking and counting took no time at all; Counter's ratio divided by this one",
            lambda folder: lambda: alternatives.read_alone(folder / "votes.parquet"),
            is_floor=True,
        ),
        "Counter": Method(
            "`csv.DictReader` and a `collections.Counter` per utterance",
            lambda folder: lambda: alternatives.counters(folder / "few votes.csv"),
            share=_SHARE,
            array=_from_counters,
        ),
    },
    tolerance=0.0,
    targets={"polars": 1 / 1.5, "Counter": 100.0},
    items=_VOTES,
    most_mib=1000.0,
)
