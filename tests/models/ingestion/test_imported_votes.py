"""Votes that were imported into a corpus: added once, replaced by newer ones, kept and never held out."""

from __future__ import annotations

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion import imported_votes
from ambivox.models.ingestion.imported_votes import Addition, add, check, describe, merge, read
from ambivox.models.tables import Votes

LABELS = ("anger", "joy")


def votes(*rows: tuple[str, str, str]) -> Votes:
    frame = pl.DataFrame(rows, ["utterance_id", "annotator_id", "label"], orient="row")
    weight = 1 / pl.len().over("utterance_id", "annotator_id")
    return Votes.check(frame.with_columns(annotator_kind=pl.lit("human"), weight=weight), LABELS)


def test_votes_are_added_once_and_replaced_by_newer_ones(tmp_path):
    file = tmp_path / "imported_votes" / "a.csv"
    first = votes(("u1", "x", "anger"), ("u1", "y", "joy"), ("u2", "x", "joy"))
    assert add(file, first, "one.json", "1") == Addition(new=3, changed=0, unchanged=0)
    before = file.read_bytes()
    assert add(file, first, "copy.json", "1") == Addition(new=0, changed=0, unchanged=3)
    assert file.read_bytes() == before
    second = votes(("u1", "x", "anger"), ("u1", "x", "joy"), ("u2", "z", "anger"))
    assert add(file, second, "two.json", "2") == Addition(new=1, changed=1, unchanged=0)
    rows = read(file).select("utterance_id", "annotator_id", "label", "weight", "source").rows()
    assert rows == [
        ("u1", "x", "anger", 0.5, "two.json"),
        ("u1", "x", "joy", 0.5, "two.json"),
        ("u1", "y", "joy", 1.0, "one.json"),
        ("u2", "x", "joy", 1.0, "one.json"),
        ("u2", "z", "anger", 1.0, "two.json"),
    ]
    assert add(file, votes(("u1", "x", "joy")), "three.json", "3") == Addition(new=0, changed=1, unchanged=0)
    assert read(file).filter(utterance_id="u1", annotator_id="x").rows()[0][2:4] == ("joy", 1.0)


def test_names_with_separators_and_quotes_survive(tmp_path):
    file = tmp_path / "a.csv"
    names = ["comma, name", 'a "quote"', "=1+1", "ratér é", "two\nlines"]
    add(file, votes(*((name, name, "joy") for name in names)), "a;b.json", "0")
    assert sorted(read(file)["annotator_id"]) == sorted(name for name in names)


def test_what_no_longer_fits_the_corpus_is_rejected_with_its_place(tmp_path):
    file = tmp_path / "a.csv"
    add(file, votes(("u1", "x", "anger"), ("gone", "x", "joy"), ("u1", "y", "joy")), "one.json", "1")
    fits, rejects = check(read(file), ("anger", "fear"), pl.Series(["u1"]))
    assert fits["annotator_id"].to_list() == ["x"]
    assert rejects.select("utterance_id", "reason", "detail", "line").rows() == [
        ("gone", "imported vote for an unknown utterance", "", 2),
        ("u1", "imported vote with an unknown label", "joy", 4),
    ]
    assert set(rejects["file"]) == {str(file)}


def test_imported_votes_are_kept_and_replace_what_was_held_out(tmp_path):
    file = tmp_path / "a.csv"
    add(file, votes(("u1", "x", "joy"), ("u1", "new", "joy"), ("u2", "y", "joy")), "one.json", "1")
    kept = votes(("u1", "x", "anger"), ("u2", "x", "anger")).frame
    heldout = votes(("u1", "z", "anger"), ("u2", "y", "anger")).frame
    kept, heldout = merge(kept, heldout, read(file))
    assert kept.select("utterance_id", "annotator_id", "label").rows() == [
        ("u1", "new", "joy"),
        ("u1", "x", "joy"),
        ("u2", "x", "anger"),
        ("u2", "y", "joy"),
    ]
    assert heldout.select("utterance_id", "annotator_id").rows() == [("u1", "z")]
    assert describe(read(file)) == ["3 votes of 3 annotators on 2 utterances are imported (one.json)"]


def test_no_imported_votes_change_nothing(tmp_path):
    kept, heldout = votes(("u1", "x", "anger")).frame, votes(("u1", "y", "joy")).frame
    for file in (tmp_path / "none.csv", tmp_path / "empty.csv"):
        if file.name == "empty.csv":
            imported_votes.create(file)
        merged = merge(kept, heldout, read(file))
        assert merged[0].equals(kept) and merged[1].equals(heldout)
        assert describe(read(file)) == []


@pytest.mark.parametrize("weight", ["", "x", "0", "-1", "nan", "inf"])
def test_a_weight_that_is_no_positive_number_is_named_with_its_line(tmp_path, weight):
    file = tmp_path / "a.csv"
    file.write_text(
        f"utterance_id,annotator_id,label,weight,source,source_sha256\nu,x,joy,1,s,0\nu,y,joy,{weight},s,0\n"
    )
    with pytest.raises(UserError, match=r"a\.csv:3: the weight of a vote"):
        read(file)


def test_the_later_date_wins_whatever_the_order_of_imports(tmp_path):
    file = tmp_path / "a.csv"
    early, late = (pl.datetime(2026, month, 1, time_zone="UTC") for month in (3, 4))

    def dated(label: str, date: pl.Expr | None) -> Votes:
        table = votes(("u1", "x", label))
        return table if date is None else Votes(table.frame.with_columns(entered_at=date), LABELS)

    def counted() -> list[str]:
        return read(file)["label"].to_list()

    assert add(file, dated("joy", late), "late.json", "1") == Addition(new=1, changed=0, unchanged=0)
    assert add(file, dated("anger", early), "early.json", "2") == Addition(0, 0, 0, older=1)
    assert counted() == ["joy"]
    assert file.read_text().splitlines()[0].endswith(",entered_at")
    # Who says the same later is not overruled by what was said in between.
    add(file, dated("anger", early), "early.json", "2")
    content = file.read_bytes()
    assert add(file, dated("joy", late), "copy.json", "3") == Addition(0, 0, 1)
    assert file.read_bytes() == content
    # Without a date, the later import counts; a file without the column is read.
    assert add(file, dated("anger", None), "undated.json", "4") == Addition(0, 1, 0)
    assert counted() == ["anger"] and not file.read_text().splitlines()[0].endswith("entered_at")
    assert add(file, dated("joy", early), "early.json", "5") == Addition(0, 1, 0)
    assert add(file, dated("joy", late), "late.json", "6") == Addition(0, 0, 1)
    between = pl.datetime(2026, 3, 15, time_zone="UTC")
    assert add(file, dated("anger", between), "between.json", "7") == Addition(0, 0, 0, older=1)
    assert counted() == ["joy"]
