"""Cells that are no formulas in a spreadsheet program: what is escaped, that numbers stay, and that it can be undone."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambivox.models.spreadsheet_cells import FORMULA_STARTS, original_name, with_formulas, without_formulas
from ambivox.models.tables import Utterances, Votes
from tests.support.pooling_tables import simulated_corpus, write_files
from tests.support.steps import export, import_votes, plan_labels

PAYLOADS = (
    "=1+1", '=HYPERLINK("http://x.example","a")', "=cmd|'/C calc'!A0", "+1-1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1",
    "－1", "＋1", "＠x", "'=1", "''@a", "-abc123",
    "\u200e=1", "\u061c+1", "\u2060-1", "\u202a@a", "\u180e=1", "\xad=1", "\x01=1", "\x1c=1", "\x7f=1", "\x85=1", "\u2028=1",
    "\U000e0020=1", " \u200e\x01 =1", "\ufe66a", "\ufe62a", "\ufe63a", "\u200e\ufe6ba",
    " =1", "  \t@a", "\ufeff=1", "\u200b+1", "\xa0-1", "\u3000=1", "\0=1", "' =1",
)  # fmt: skip
PLAIN = ("anna", "", " a =1", "a=1", "'", "'quoted'", "1-2", "…=")


def is_formula(cell: str) -> bool:
    """Whether what a cell begins with, once what is not seen is taken away, begins a formula."""
    for character in cell:
        if character in FORMULA_STARTS:
            return True
        if unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp"):
            return False
    return False


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_cell_and_no_header_begins_a_formula(payload: str) -> None:
    frame = pl.DataFrame({payload: [payload, None], "gain": [-1.5, 2.0]})
    safe = without_formulas(frame)
    assert not any(is_formula(cell) for cell in (safe.columns[0], safe.item(0, 0)))
    assert safe["gain"].to_list() == [-1.5, 2.0]
    assert safe.item(1, 0) is None
    assert with_formulas(safe).rename({safe.columns[0]: original_name(safe.columns[0])}).equals(frame)


def test_other_cells_stay() -> None:
    frame = pl.DataFrame({"text": PLAIN})
    assert without_formulas(frame).equals(frame)


@given(
    st.lists(
        st.text(st.sampled_from([*FORMULA_STARTS, "'", "a", " ", "\0", "\u200e", "\xad"]), max_size=5),
        min_size=1,
    )
)
def test_it_can_be_undone(cells: list[str]) -> None:
    frame = pl.DataFrame({"text": cells})
    safe = without_formulas(frame)
    assert not any(cell and is_formula(cell) for cell in safe["text"])
    assert with_formulas(safe).equals(frame)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Tables whose ids, raters, speakers and transcripts are formulas, and a label that is one."""
    labels = ("anger", "=joy()")
    ids = [f"{payload}{number}" for number, payload in enumerate(PAYLOADS)]
    rows = {
        "utterance_id": ids, "corpus": "=c", "audio": "@a.wav", "audio_sha256": "0" * 64, "duration_seconds": 1.0, "sample_rate_hz": 16_000,
        "split": "train", "transcript": list(PAYLOADS), "speaker": list(PAYLOADS),
    }  # fmt: skip
    votes = pl.DataFrame(
        [(name, "=rater", "human", labels[0], 1.0) for name in ids], list(Votes.required), orient="row"
    )
    return {
        "utterances": Utterances.check(pl.DataFrame(rows), labels).write(tmp_path / "u.parquet"),
        "votes": Votes.check(votes, labels).write(tmp_path / "v.parquet"),
    }


def cells_of(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [cell for row in csv.reader(file) for cell in row]


def test_an_export_has_no_formula_and_is_read_back(files: dict[str, Path], tmp_path: Path) -> None:
    safe = export(**files, out=tmp_path / "safe", spreadsheet_safe=True)
    assert not [cell for path in safe.glob("*.csv") for cell in cells_of(path) if cell and is_formula(cell)]
    exact = export(**files, out=tmp_path / "exact")
    assert [cell for path in exact.glob("*.csv") for cell in cells_of(path) if cell and is_formula(cell)]
    for source in (safe, exact):
        back = import_votes(
            source=source, utterances=files["utterances"], out=tmp_path / f"{source.name}-back", format="csv"
        )
        read, written = Votes.read(back / "votes.parquet").frame, Votes.read(files["votes"]).frame
        assert read.equals(written.sort("utterance_id"))


def test_the_batch_for_raters_has_no_formula(tmp_path: Path) -> None:
    tables = write_files(tmp_path, simulated_corpus(rows=60, votes=5))
    listed = Utterances.read(tables.utterances)
    dangerous = listed.frame.with_columns(speaker="=s" + pl.col("speaker"), transcript=pl.lit("@SUM(1)"))
    Utterances.check(dangerous, listed.labels).write(tables.utterances)
    named = {"utterances": tables.utterances, "votes": tables.votes, "annotations": tables.annotations}
    safe = plan_labels(**named, budget=5, out=tmp_path / "safe")
    assert not [cell for cell in cells_of(safe / "batch.csv") if cell and is_formula(cell)]
    exact = plan_labels(**named, budget=5, out=tmp_path / "exact", spreadsheet_safe=False)
    assert [cell for cell in cells_of(exact / "batch.csv") if cell and is_formula(cell)]
