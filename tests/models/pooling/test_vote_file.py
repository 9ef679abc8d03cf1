"""Votes counted where they lie give the counts of the table, and the same errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.parquet_files import LABELS_KEY
from ambivox.models.pooling import vote_file
from ambivox.models.pooling.vote_file import VoteFile
from ambivox.models.tables import Votes
from tests.support.pooling_tables import label_names, vote_table

_NAMES = label_names(3)
_IDS = [f"u{number}" for number in range(200)]


@pytest.fixture
def votes() -> Votes:
    counts_NK = np.random.default_rng(0).integers(0, 4, (200, 3))
    return vote_table(counts_NK, _IDS, _NAMES)


def test_the_stream_counts_what_the_table_counts(votes: Votes, tmp_path: Path) -> None:
    thirds = Votes.check(votes.frame.with_columns(weight=pl.lit(1 / 3)), _NAMES)
    streamed = VoteFile.open(thirds.write(tmp_path / "votes.parquet"))
    requested = pl.Series([*_IDS[::-2], "nobody voted on this"])
    assert streamed.labels == _NAMES
    assert streamed.counts(requested) == pytest.approx(thirds.counts(requested), abs=1e-9)
    assert (streamed.counts(requested) == streamed.counts(requested)).all()


def test_alms_votes_are_left_out(votes: Votes, tmp_path: Path) -> None:
    alms = votes.frame.with_columns(annotator_kind=pl.lit("alm"))
    both = Votes.check(pl.concat([votes.frame, alms]), _NAMES).write(tmp_path / "votes.parquet")
    assert (VoteFile.open(both).counts(pl.Series(_IDS)) == votes.counts(pl.Series(_IDS))).all()


def test_more_votes_than_a_block_in_any_order_and_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vote_file, "_BLOCK_ROWS", 100)
    rng = np.random.default_rng(1)
    counts_NK = rng.integers(0, 5, (200, 3))
    votes = vote_table(counts_NK, _IDS, _NAMES)
    shuffled = votes.frame.sample(fraction=1.0, shuffle=True, seed=2)
    thirds = shuffled.with_columns(weight=pl.Series(rng.integers(1, 4, shuffled.height) / 3))
    expected_NK = Votes(thirds, votes.labels).counts(pl.Series(_IDS))
    metadata = {"ambivox.labels": json.dumps(_NAMES)}
    layouts = {
        "plain": thirds,
        "dictionaries": thirds.cast({"label": pl.Categorical, "utterance_id": pl.Categorical}),
        "known labels": thirds.cast({"label": pl.Enum(_NAMES), "annotator_kind": pl.Enum(["human", "alm"])}),
    }
    for name, frame in layouts.items():
        path = tmp_path / f"{name}.parquet"
        frame.write_parquet(path, row_group_size=70, statistics=name != "plain", metadata=metadata)
        assert VoteFile.open(path).counts(pl.Series(_IDS)) == pytest.approx(expected_NK, abs=1e-9), name


def test_no_utterances_and_no_votes(votes: Votes, tmp_path: Path) -> None:
    path = votes.write(tmp_path / "votes.parquet")
    assert VoteFile.open(path).counts(pl.Series([], dtype=pl.String)).shape == (0, 3)
    empty = Votes(votes.frame.head(0), _NAMES).write(tmp_path / "empty.parquet")
    assert VoteFile.open(empty).counts(pl.Series(_IDS)).sum() == 0


def test_a_file_that_breaks_off_is_named(votes: Votes, tmp_path: Path) -> None:
    path = votes.write(tmp_path / "votes.parquet")
    content = bytearray(path.read_bytes())
    content[8:200] = bytes(192)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"votes\.parquet: not a readable Parquet file"):
        VoteFile.open(path).counts(pl.Series(_IDS))


def test_a_footer_that_has_two_types_for_a_column_is_named(votes: Votes, tmp_path: Path) -> None:
    path = votes.write(tmp_path / "votes.parquet")
    content = path.read_bytes()
    text, bytes_ = b"annotator_kind%\x00L\x1c", b"annotator_kind%\x00L\x14"
    assert content.count(text) == 1
    path.write_bytes(content.replace(text, bytes_))
    with pytest.raises(UserError, match="column 'annotator_kind' is binary in one part of its footer"):
        VoteFile.open(path).counts(pl.Series(_IDS))


@pytest.mark.parametrize("text", [_NAMES[0].encode(), b"human", b"u17"])
def test_text_that_is_no_utf_8_is_named(votes: Votes, tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "votes.parquet"
    metadata = {LABELS_KEY: json.dumps(_NAMES)}
    votes.frame.write_parquet(path, compression="uncompressed", statistics=False, metadata=metadata)
    head, found, tail = path.read_bytes().partition(text)
    path.write_bytes(head + b"\xff" + found[1:] + tail)
    with pytest.raises(UserError, match=r"votes\.parquet: not a readable Parquet file"):
        VoteFile.open(path).counts(pl.Series(_IDS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("joy").alias("label"), "unknown label 'joy'"),
        (pl.lit(-1.0).alias("weight"), "positive"),
        (pl.lit(float("nan")).alias("weight"), "positive"),
        (pl.lit("robot").alias("annotator_kind"), "unknown annotator_kind 'robot'"),
        (pl.lit(float("inf")).alias("weight"), "positive"),
        (pl.lit(None, dtype=pl.String).alias("label"), "label is missing in 1 row of votes"),
        (pl.lit(None, dtype=pl.String).alias("annotator_id"), "annotator_id is missing in 1 row of votes"),
        (pl.lit(None, dtype=pl.Float64).alias("weight"), "weight is missing in 1 row of votes"),
    ],
)
def test_a_bad_row_is_found_and_named(votes: Votes, tmp_path: Path, change: pl.Expr, message: str) -> None:
    last = pl.concat([votes.frame, votes.frame.tail(1).with_columns(change)])
    path = Votes(last, _NAMES).write(tmp_path / "votes.parquet")
    with pytest.raises(UserError, match=rf"votes\.parquet: .*{message}"):
        VoteFile.open(path).counts(pl.Series(_IDS))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        VoteFile.open(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(UserError, match="a table of votes"):
        VoteFile.open(tmp_path / "text.parquet")
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="a table of votes"):
        VoteFile.open(tmp_path / "other.parquet")
