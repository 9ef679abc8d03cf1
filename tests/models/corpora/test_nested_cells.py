"""Lists, dictionaries and values of any type in every column: read, left alone, or refused in one line."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.table_preview import preview
from tests.support.found_tables import write_recordings

UTTERANCE: dict[str, Any] = {
    "utterance_id": "u1", "audio": "a.wav", "speaker": "s1", "transcript": "Hello", "start": 0, "end": 0.1, "duration": 0.1,
    "channel": 1, "split": "train",
}  # fmt: skip
VOTE: dict[str, Any] = {
    "utterance_id": "u1", "annotator_id": "r1", "label": "anger", "weight": 1, "status": "Approved", "annotator_kind": "human",
}  # fmt: skip
SPEAKER: dict[str, Any] = {"speaker": "s1", "sex": "female", "age": 30, "language": "en"}
VALUES: tuple[Any, ...] = (
    [], ["u1"], [{"a": None}], {}, {"a": [1]}, True, 10**30,
)  # fmt: skip


def write(path: Path, row: dict[str, Any], column: str | None, value: Any, *, rows: int) -> None:
    changed = row if column is None else row | {column: value}
    path.write_text(json.dumps([changed, *[row] * (rows - 1)]))


def read(root: Path) -> None:
    for action in (load, lambda place: preview(place, {})):
        with contextlib.suppress(UserError):
            action(root)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("column", [*UTTERANCE, *VOTE, *SPEAKER])
def test_one_table(tmp_path: Path, column: str, rows: int) -> None:
    for value in VALUES:
        write(tmp_path / "votes.json", UTTERANCE | VOTE | SPEAKER, column, value, rows=rows)
        read(tmp_path / "votes.json")


@pytest.mark.parametrize(("name", "row"), [("utterances", UTTERANCE), ("votes", VOTE), ("speakers", SPEAKER)])
def test_tables_beside_each_other(tmp_path: Path, name: str, row: dict[str, Any]) -> None:
    for other, content in (("utterances", UTTERANCE), ("votes", VOTE), ("speakers", SPEAKER)):
        write(tmp_path / f"{other}.json", content, None, None, rows=1)
    for column in row:
        for value in VALUES:
            write(tmp_path / f"{name}.json", row, column, value, rows=1)
            read(tmp_path)


@pytest.mark.parametrize("option", ["start", "end", "duration"])
def test_lists_in_a_column_that_is_given_for_times_are_one_line(tmp_path: Path, option: str) -> None:
    rows = [UTTERANCE | VOTE | {option: [0], "annotator_id": rater} for rater in ("r1", "r2")]
    (tmp_path / "votes.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match=rf"column '{option}' holds lists"):
        load(tmp_path / "votes.json", **{"start": "start", option: option})


@pytest.mark.parametrize(
    "role", ["speaker", "transcript", "split", "annotator", "weight", "status", "utterance", "label"]
)
def test_a_dictionary_in_a_column_that_is_given_is_one_line(tmp_path: Path, role: str) -> None:
    column = {"annotator": "annotator_id", "utterance": "utterance_id"}.get(role, role)
    rows = [UTTERANCE | VOTE | {"annotator_id": rater, column: {"a": [rater]}} for rater in ("r1", "r2")]
    (tmp_path / "votes.json").write_text(json.dumps(rows))
    with pytest.raises(UserError):
        load(tmp_path / "votes.json", **{role: column})


TYPES = (
    pl.Series([b"\xff\xfe", b"x"]),
    pl.Series([[b"\xff"], None]),
    pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)),
    pl.Series([date(2020, 1, 1)] * 2),
    pl.Series([datetime(2020, 1, 1)] * 2),
    pl.Series([timedelta(1), timedelta(-1)]),
    pl.Series([time(1)] * 2),
    pl.Series([Decimal("1.5"), Decimal("2.5")]),
    pl.Series(["a", "b"], dtype=pl.Categorical),
    pl.Series([None, None], dtype=pl.Null),
    pl.Series([2**64 - 1, 1], dtype=pl.UInt64),
    pl.Series([2**100, 1], dtype=pl.Int128),
    pl.Series([float("nan"), float("inf")]),
)  # fmt: skip


@pytest.mark.parametrize("column", [*UTTERANCE, *VOTE, *SPEAKER, "anger", "joy", "frame", "_trusted"])
def test_any_type_of_parquet(tmp_path: Path, column: str) -> None:
    row = UTTERANCE | VOTE | SPEAKER | {"anger": 1, "joy": 2, "frame": 3, "_trusted": True}
    for values in TYPES:
        pl.DataFrame([row] * 2).with_columns(values.alias(column)).write_parquet(tmp_path / "votes.parquet")
        read(tmp_path / "votes.parquet")


def test_places_of_pandas_are_read(tmp_path: Path) -> None:
    write_recordings(tmp_path)
    starts = [timedelta(seconds=0.01), timedelta(seconds=0.05)]
    rows = [
        {
            "audio": "Ton/vera 1.wav",
            "start_ms": start,
            "duration": timedelta(seconds=0.04),
            "rater": rater,
            "label": label,
        }
        for start in starts
        for rater, label in (("kim", "joy"), ("lou", "fear"))
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "votes.parquet")
    utterances = load(tmp_path / "votes.parquet").utterances
    assert utterances.select("start_seconds", "end_seconds").rows() == [(0.01, 0.05), (0.05, 0.09)]
