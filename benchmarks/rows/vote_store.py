"""Which answers are missing in a large vote store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.vote_store import SCHEMA, VoteStore
from benchmarks.alternatives import answers as alternatives
from benchmarks.harness import Method, Row

_ANSWERS, _SHARD = 1_000_000, 3_072  # 256 utterances with 12 prompts each
_SPACE = {"alm": "tiny", "revision": "r", "engine": "fake"}


def write_inputs(folder: Path, scale: float) -> None:
    """A store, its index, and the keys of a run that adds a thousandth."""
    rng = np.random.default_rng(0)
    store = VoteStore(str(folder / "store"), _SPACE)
    answers = round(_ANSWERS * scale)
    for start in range(0, answers, _SHARD):
        numbers = range(start, min(answers, start + _SHARD))
        rows = len(numbers)
        frame = pl.DataFrame(
            {
                "key": _keys(numbers),
                "audio_sha256": [hashlib.sha256(b"%d" % (number // 12)).hexdigest() for number in numbers],
                "prompt_sha256": [f"{number % 12:064}" for number in numbers],
                "logprobs": np.log(rng.dirichlet(np.ones(6), rows)).round(6).tolist(),
                "label_mass": rng.random(rows).round(6),
                "refused": False,
                "windows": 1,
            }
        )
        absent = [
            pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in frame.columns
        ]
        store.add(frame.with_columns(absent))
    keys = pl.concat(
        [_keys(range(start, start + _SHARD)) for start in range(0, round(answers * 1.001), _SHARD)],
        rechunk=True,
    )
    keys.to_frame("key").write_parquet(folder / "keys.parquet")
    store.stored_keys(keys).is_answered(keys.head(1))  # writes the index


def _keys(numbers: range) -> pl.Series:
    return pl.Series("key", [hashlib.sha256(b"key %d" % number).hexdigest()[:32] for number in numbers])


def _ours(folder: Path) -> Callable[[], Any]:
    keys = pl.read_parquet(folder / "keys.parquet")["key"]

    def call() -> pl.Series:
        store = VoteStore(str(folder / "store"), _SPACE)
        return keys.filter(pl.Series(~store.stored_keys(keys).is_answered(keys)))

    return call


def _anti_join(folder: Path) -> Callable[[], Any]:
    keys = pl.read_parquet(folder / "keys.parquet")
    location = Path(VoteStore(str(folder / "store"), _SPACE).location)
    return lambda: alternatives.missing(location, keys)["key"]


def _numbers(keys: pl.Series) -> np.ndarray:
    """The first digits of each key, in order."""
    return np.sort(keys.str.head(12).str.to_integer(base=16).to_numpy())


ROW = Row(
    title="which of a million keys are missing in a store of a million answers in 326 shards",
    write_inputs=write_inputs,
    methods={
        "ours": Method(
            "`VoteStore.stored_keys`, from the index that an earlier run wrote", _ours, array=_numbers
        ),
        "polars": Method(
            "polars' streaming anti-join with the keys of all shards", _anti_join, array=_numbers
        ),
    },
    tolerance=0.0,
    targets={},
    items=_ANSWERS,
    most_mib=1000.0,
)
