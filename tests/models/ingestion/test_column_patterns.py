"""Names of columns and labels that Polars takes for patterns: they select their own column, or are refused in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.api.arguments import label_names
from ambivox.models.column_patterns import column_names
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.nested import with_descriptions
from ambivox.models.tables import Votes
from ambivox.models.tables.label_names import OTHER_COLUMNS
from tests.support.found_tables import expected, rows, votes_of, write, write_recordings

PATTERNS = ("*", "^.*$", "^l.*$", "^$", "^label$")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_recordings(tmp_path)
    return tmp_path


def records(header: list[str]) -> list[dict[str, str]]:
    return [dict(zip(header, [*row, "x"], strict=True)) for row in rows()]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_a_column_beside_the_votes_is_one_column(root: Path, pattern: str, suffix: str) -> None:
    header = ["audio", "speaker", "rater", "label", pattern]
    path = root / f"votes{suffix}"
    if suffix == ".csv":
        write(path, header, [[*row, "x"] for row in rows()])
    elif suffix == ".parquet":
        pl.DataFrame(records(header)).write_parquet(path)
    else:
        lines = [json.dumps(record) for record in records(header)]
        path.write_text("\n".join(lines) if suffix == ".jsonl" else f"[{','.join(lines)}]")
    assert votes_of(load(path)) == expected()


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_column_with_a_role_is_given_by_its_name_in_brackets(root: Path, place: int, pattern: str) -> None:
    header = ["audio", "speaker", "rater", "label"]
    header[place] = pattern
    write(root / "votes.csv", header, rows())
    roles = ("audio", "speaker", "annotator", "label")
    given = {role: f"({name})" if name == pattern else name for role, name in zip(roles, header, strict=True)}
    assert votes_of(load(root / "votes.csv", **given, utterance=given["audio"])) == expected()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_is_given_names_the_column_that_is_there(root: Path, pattern: str) -> None:
    write(root / "votes.csv", ["audio", "speaker", "rater", pattern], rows())
    with pytest.raises(UserError, match=re.escape(f"did you mean '({pattern})' (--options.label")):
        load(root / "votes.csv", utterance="audio", label=pattern)


def test_repeated_patterns_are_numbered() -> None:
    assert column_names(["*", "*", "(*)"]) == ["(*)", "(*)_duplicated_0", "(*)_duplicated_1"]


def test_fields_of_a_description_are_not_expanded() -> None:
    table = pl.DataFrame({"meta": [{"*": "1", "^a$": "2", "speaker": "s"}]})
    assert with_descriptions(table).columns == ["meta", "meta.speaker"]


def test_a_repeated_header_with_a_pattern_is_no_row(root: Path) -> None:
    header = ["audio", "speaker", "rater", "label", "*", "*"]
    lines = [[*row, "x", "y"] for row in rows()]
    write(root / "votes.csv", header, [*lines[:5], header, *lines[5:]])
    data = load(root / "votes.csv")
    assert votes_of(data) == expected()
    assert data.rejects.height == 0


@pytest.mark.parametrize("label", [*PATTERNS, *OTHER_COLUMNS])
def test_labels_that_cannot_be_columns_of_distributions_are_refused(label: str) -> None:
    with pytest.raises(UserError, match="name it otherwise in the table, or with a label schema"):
        Votes.check(pl.DataFrame(), ["joy", label])


@pytest.mark.parametrize("label", PATTERNS)
def test_labels_of_a_caller_that_are_patterns_are_refused(label: str) -> None:
    with pytest.raises(UserError, match="is a pattern for columns"):
        label_names(["joy", label])
