"""Options of a corpus: text from a command line and typed values from YAML give the same arguments and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from ambivox.models.corpora import check_options
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData


def load(
    root: Path,
    *,
    merge: bool = False,
    session: int | None = None,
    number: int = 3,
    share: float = 0.5,
    shape: Literal["rows", "counts"] = "rows",
    column: str = "id",
    file: str | None = None,
    labels: tuple[str, ...] = (),
) -> CorpusData:
    """A loader with every kind of option; it is never called."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("merge", "true", True),
        ("merge", "No", False),
        ("merge", "1", True),
        ("merge", True, True),
        ("session", "2", 2),
        ("session", 2, 2),
        ("session", None, None),
        ("number", "-1", -1),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("shape", "counts", "counts"),
        ("column", "wav file", "wav file"),
        ("column", 7, "7"),
        ("file", "a.csv", "a.csv"),
        ("file", None, None),
        ("labels", "anger, neutral", ("anger", "neutral")),
        ("labels", ["anger", "neutral"], ("anger", "neutral")),
        ("labels", "", ()),
        ("labels", [], ()),
    ],
)
def test_text_and_typed_values_are_converted(name: str, value: object, expected: object) -> None:
    converted = check_options(load, {name: value}, "x")
    assert converted == {name: expected}
    assert type(converted[name]) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("merge", "ja", "option merge of corpus x: expected true or false, found 'ja'"),
        ("merge", 3, "option merge of corpus x: expected true or false, found 3"),
        ("session", "last", "option session of corpus x: expected an integer, found 'last'"),
        ("session", "", "option session of corpus x: expected an integer, found ''"),
        ("session", True, "option session of corpus x: expected an integer, found True"),
        ("number", 1.5, "option number of corpus x: expected an integer, found 1.5"),
        ("share", "half", "option share of corpus x: expected a number, found 'half'"),
        ("shape", "row", "unknown option shape of corpus x 'row'; known: counts, rows"),
        ("shape", 1, "unknown option shape of corpus x '1'; known: counts, rows"),
        ("column", ["a"], r"option column of corpus x: expected text, found \['a'\]"),
        ("labels", 3, r"option labels of corpus x: expected a list \(a,b,c\), found 3"),
        ("labels", {"a": 1}, r"option labels of corpus x: expected a list \(a,b,c\), found {'a': 1}"),
        ("colum", "a", "unknown option of corpus x 'colum'; known: column, file, labels, merge, number"),
    ],
)
def test_mistakes_are_one_line(name: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_options(load, {name: value}, "x")
    assert "\n" not in str(caught.value)


def test_a_corpus_without_options_says_so() -> None:
    def without(root: Path) -> CorpusData:
        raise NotImplementedError

    with pytest.raises(UserError, match="corpus x has no options, found 'labels'"):
        check_options(without, {"labels": "a"}, "x")
