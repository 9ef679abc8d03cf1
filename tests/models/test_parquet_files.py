"""Parquet files that were damaged, or made to fill memory: one line, before they are read."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ambivox.models import parquet_files
from ambivox.models.errors import UserError
from ambivox.models.ingestion.reading import read_table
from ambivox.models.parquet_files import LABELS_KEY, opened_bytes, read_parquet
from ambivox.models.pooling.synthetic_distributions import read_synthetic_distributions
from ambivox.models.pooling.vote_file import VoteFile
from ambivox.models.tables import Utterances, Votes

IDS = pl.Series("utterance_id", ["u1"])
READERS: dict[str, Callable[[Path], object]] = {
    "a user's table": lambda path: read_table(path, ["utterance_id"]),
    "utterances": Utterances.read,
    "votes": Votes.read,
    "votes, streamed": lambda path: VoteFile.open(path).counts(IDS),
    "annotations, streamed": lambda path: read_synthetic_distributions(path, IDS, ("a", "b")),
    "a shard": lambda path: read_parquet(path.read_bytes(), "a shard", origin=str(path)),
}


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some kilobytes that opens to 2 GiB: one run-length encoded page per column and group of rows."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["u1"]))
    names = ["utterance_id", "annotator_id", "annotator_kind", "label", "audio"]
    table = pa.table(dict.fromkeys(names, column)).replace_schema_metadata(
        {LABELS_KEY: json.dumps(["a", "b"])}
    )
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(28):
            writer.write_table(table)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_was_made_to_fill_memory_is_not_opened(bomb: Path, reader: str) -> None:
    opened = opened_bytes(pq.read_metadata(bomb))
    assert bomb.stat().st_size < 2_000_000
    assert opened > 2 << 30
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"bomb\.parquet: opens to about \d+ GiB, [\d,]+ times its size"):
        READERS[reader](bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kibibytes


@pytest.mark.parametrize("shape", ["rows", "a list in one row", "many groups of rows"])
@pytest.mark.parametrize("reader", READERS)
def test_rows_that_take_no_space_are_not_read(tmp_path: Path, reader: str, shape: str) -> None:
    path, rows = tmp_path / "t.parquet", 1_200_000
    columns = {name: pl.repeat("u1", rows, eager=True) for name in ("utterance_id", "label", "audio")}
    frame = pl.DataFrame(columns)
    if shape == "a list in one row":
        frame = frame.select(pl.all().implode())
    group = 20_000 if shape == "many groups of rows" else rows
    frame.write_parquet(path, row_group_size=group, metadata={LABELS_KEY: '["u1", "b"]'})
    with pytest.raises(
        UserError, match=r"1,200,000 rows in [\d,]+ bytes; expected .* at most 10 rows per byte"
    ):
        READERS[reader](path)


def test_many_votes_of_a_few_labels_are_read(tmp_path: Path) -> None:
    """The smallest table that people would write: every rater judges every utterance, and mostly alike."""
    raters, utterances = 1100, 1000
    votes = pl.DataFrame({"annotator_id": range(raters)}).join(
        pl.DataFrame({"utterance_id": range(utterances)}), how="cross"
    )
    labels = pl.Series(np.random.default_rng(1).choice(3, len(votes), p=[0.9, 0.05, 0.05]))
    votes.with_columns(label=labels).write_parquet(tmp_path / "t.parquet", compression_level=19)
    assert len(read_parquet(tmp_path / "t.parquet", "a table")) == raters * utterances
    assert (tmp_path / "t.parquet").stat().st_size < 1_000_000


def test_a_table_that_does_not_fit_into_memory_is_named(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "MOST_TIMES_LARGER", 10**9)
    monkeypatch.setattr(parquet_files, "MOST_ROWS_PER_BYTE", 10**9)
    monkeypatch.setattr(
        parquet_files.os, "sysconf", lambda name: {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}[name]
    )
    with pytest.raises(UserError, match=r"needs about \d+ GiB of memory, this machine has 0"):
        read_parquet(bomb, "a table")


def test_what_a_table_takes_is_estimated(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "utterance_id": [f"utterance {n}" for n in range(50_000)],
            "x": range(50_000),
            "l": [[1.0, 2.0]] * 50_000,
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    opened = opened_bytes(pq.read_metadata(tmp_path / "t.parquet"))
    assert frame.estimated_size() / 3 < opened < 6 * frame.estimated_size()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "middle", "footer", "page", "type"])
def test_damage_is_one_line(tmp_path: Path, reader: str, damage: str) -> None:
    path = tmp_path / "t.parquet"
    votes = pl.DataFrame(
        {
            "utterance_id": ["u1"] * 500,
            "annotator_id": "r",
            "annotator_kind": "human",
            "label": "a",
            "weight": 1.0,
            "audio": "x",
        }
    )
    votes.with_columns(weight=pl.int_range(1, 501).cast(pl.Float64)).write_parquet(
        path, metadata={LABELS_KEY: '["a", "b"]'}
    )
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "middle":
        content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    elif damage == "footer":
        content[-40:-8] = b"\xff" * 32
    elif (
        damage == "page"
    ):  # its header says that it has -512 values, not 500: polars alone would end the process
        assert content.count(b",\x15\xe8\x07\x15\x10")
        content = content.replace(b",\x15\xe8\x07\x15\x10", b",\x15\xff\x07\x15\x10", 1)
    elif (
        damage == "type"
    ):  # of a part of a column, in the footer: INT64, not BYTE_ARRAY; Arrow alone would end the process
        before, found, after = bytes(content).rpartition(
            b"\x15\x0c\x19\x35\x00\x06\x10\x19\x18\x0cutterance_id"
        )
        assert found
        content = bytearray(before + found.replace(b"\x15\x0c", b"\x15\x04", 1) + after)
    path.write_bytes({"empty": b"", "text": b"a,b\n1,2\n"}.get(damage, bytes(content)))
    with pytest.raises(UserError) as caught:
        READERS[reader](path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("labels", ["[", "5", '{"a": 1}', "[1, null]", "[" * 100_000, "null", '["\\ud800"]'])
def test_labels_of_another_kind_are_one_line(tmp_path: Path, labels: str) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"utterance_id": ["u1"]}).write_parquet(path, metadata={LABELS_KEY: labels})
    for read in (Utterances.read, VoteFile.open, READERS["annotations, streamed"]):
        with pytest.raises(UserError, match="expected a list of labels in the file's metadata"):
            read(path)
