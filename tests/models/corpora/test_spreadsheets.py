"""A team's tables as spreadsheet programs save them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest

UTTERANCES = [
    ["utterance_id", "audio", "transcript", "speaker", "age"],
    ["u1", "u1.wav", "déjà; vu", "s1", "30,5"],
    ["u2", "u2.wav", "so, what", "s2", "41,25"],
    ["u3", "u3.wav", "", "s1", ""],
]
VOTES = [
    ["utterance_id", "annotator_id", "label", "weight"],
    ["u1", "r1", "anger", "1,5"],
    ["u1", "r1", "neutral", "0,5"],
    ["u2", "r2", "neutral", "1"],
    ["u3", "r1", "anger", "2"],
]


def write(
    root: Path, *, separator: str = ",", encoding: str = "utf-8", end: str = "\r\n", suffix: str = ".csv"
) -> None:
    """Both tables, in a folder with audio."""
    for name in ("u1", "u2", "u3"):
        soundfile.write(root / f"{name}.wav", 0.1 * np.sin(np.arange(1600 + ord(name[1])) / 7), 16_000)
    for stem, rows in (("utterances", UTTERANCES), ("votes", VOTES)):
        quoted = [[f'"{field}"' if separator in field else field for field in row] for row in rows]
        text = "".join(separator.join(row) + end for row in quoted)
        (root / f"{stem}{suffix}").write_bytes(text.encode(encoding))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text, once, and keep line ends."""
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


def ingested(root: Path, **options: object) -> IngestedCorpus:
    """Loaded and ingested without shares of development and test."""
    data = load(root, **options)  # type: ignore[arg-type]
    return ingest(data, "table", shares=(0, 1, 0, 0), cache=root.parent / "cache.sqlite")


def check(root: Path) -> None:
    """The tables' content, whatever the format."""
    corpus = ingested(root)
    assert corpus.rejects.height == 0
    assert corpus.utterances.frame.select("utterance_id", "transcript", "speaker", "age").rows() == [
        ("u1", "déjà; vu", "s1", 30.5),
        ("u2", "so, what", "s2", 41.25),
        ("u3", None, "s1", None),
    ]
    weights = corpus.votes.frame.select("utterance_id", "label", "weight").sort("utterance_id", "label")
    assert weights.rows() == [
        ("u1", "anger", 0.75),
        ("u1", "neutral", 0.25),
        ("u2", "neutral", 1.0),
        ("u3", "anger", 1.0),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_the_header_tells_the_separator_whatever_the_suffix(
    tmp_path: Path, separator: str, suffix: str
) -> None:
    write(tmp_path, separator=separator, suffix=suffix)
    check(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    write(tmp_path, separator=";", encoding=encoding, end=end)
    check(tmp_path)


def test_utf_16_of_the_other_byte_order(tmp_path: Path) -> None:
    write(tmp_path, separator="\t")
    for path in (tmp_path / "utterances.csv", tmp_path / "votes.csv"):
        path.write_bytes(b"\xfe\xff" + path.read_bytes().decode().encode("utf-16-be"))
    check(tmp_path)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;"])
def test_a_line_that_declares_the_separator(tmp_path: Path, first: str) -> None:
    write(tmp_path, separator=";")
    for path in (tmp_path / "utterances.csv", tmp_path / "votes.csv"):
        path.write_bytes(f"{first}\r\n".encode() + path.read_bytes())
    check(tmp_path)


def test_a_declared_separator_may_be_any_character(tmp_path: Path) -> None:
    write(tmp_path, separator="^")
    for path in (tmp_path / "utterances.csv", tmp_path / "votes.csv"):
        path.write_bytes(b"sep=^\r\n" + path.read_bytes())
    check(tmp_path)


@pytest.mark.parametrize("separator", [",", ";"])
def test_titles_and_blank_lines(tmp_path: Path, separator: str) -> None:
    write(tmp_path, separator=separator)
    for path in (tmp_path / "utterances.csv", tmp_path / "votes.csv"):
        blank = separator * 3 + "\r\n"
        title = f"Listening test 3, spring{separator * 2}\r\n\r\n"
        path.write_bytes((title + path.read_bytes().decode() + blank + "\r\n" + blank).encode())
    edit(tmp_path / "utterances.csv", "\r\nu2", "\r\n\r\nu2")
    check(tmp_path)


def test_line_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, separator=";")
    path = tmp_path / "votes.csv"
    lines = path.read_bytes().decode().split("\r\n")
    lines = [
        "sep=;",
        "Votes of\tspring",
        "",
        *lines[:2],
        "",
        'u1;"r\n9";anger;1',
        *lines[2:-1],
        "zz;r1;anger;1",
    ]
    path.write_bytes("\r\n".join(lines).encode())
    corpus = ingested(tmp_path)
    assert corpus.rejects.select("line", "utterance_id").rows() == [(12, "zz")]
    edit(path, "zz;", "zz;;;;;")
    with pytest.raises(UserError, match=r"votes\.csv:12: 8 fields, but the header has 4"):
        load(tmp_path)
    edit(path, "zz;;;;;r1", 'zz;"r1')
    with pytest.raises(UserError, match=r"votes\.csv:12: a quotation mark is not closed"):
        load(tmp_path)


def test_thousands_and_decimal_commas(tmp_path: Path) -> None:
    write(tmp_path, separator=";")
    path = tmp_path / "votes.csv"
    edit(path, "1,5", "1,500")
    check(tmp_path)
    path.write_text('utterance_id,annotator_id,label,weight\nu1,r1,anger,"1,500"\nu2,r1,anger,2\n')
    assert ingested(tmp_path).profile["rejects"] == {"unusable weight": 1}


def test_workbooks_are_named_with_what_to_do(tmp_path: Path) -> None:
    write(tmp_path)
    table = (tmp_path / "utterances.csv").read_bytes()
    (tmp_path / "utterances.csv").write_bytes(b"PK\3\4" + bytes(20))
    with pytest.raises(UserError, match=r"utterances\.csv: a spreadsheet workbook"):
        load(tmp_path)
    (tmp_path / "utterances.csv").unlink()
    for suffix in (".xlsx", ".ods", ".numbers"):
        workbook = tmp_path / f"utterances{suffix}"
        workbook.write_bytes(b"PK\3\4" + bytes(20))
        with pytest.raises(UserError, match=rf"utterances\{suffix}: .* save each sheet as CSV"):
            load(tmp_path)
        workbook.unlink()
    (tmp_path / "utterances.csv").write_bytes(table)
    (tmp_path / "votes.csv").unlink()
    (tmp_path / "votes.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(UserError, match=r"votes\.xls: a spreadsheet workbook"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"votes\.xls: a spreadsheet workbook"):
        load(tmp_path, votes="votes.xls")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_columns_named_line_and_file_are_the_user_s(tmp_path: Path, suffix: str) -> None:
    write(tmp_path)
    script = {"line": ["12", "13", "14"], "file": ["act 1", "act 1", "act 2"]}
    for stem in ("utterances", "votes"):
        table = pl.read_csv(tmp_path / f"{stem}.csv", infer_schema=False)
        table = table.with_columns(
            pl.Series(name, (values * 2)[: table.height]) for name, values in script.items()
        )
        (tmp_path / f"{stem}.csv").unlink()
        writers = {
            ".csv": table.write_csv,
            ".parquet": table.write_parquet,
            ".jsonl": table.write_ndjson,
        }
        writers[suffix](tmp_path / f"{stem}{suffix}")
    corpus = ingested(tmp_path, transcript="line", speaker="file", weight="none")
    assert corpus.rejects.height == 0
    assert corpus.utterances.frame.select("transcript", "speaker").rows() == [
        ("12", "act 1"),
        ("13", "act 1"),
        ("14", "act 2"),
    ]


def test_labels_named_line_can_be_counted(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "votes.csv").write_text("utterance_id,line,file\nu1,2,0\nu2,0,1\nu3,1,1\n")
    corpus = ingested(tmp_path, shape="counts", labels=("line", "file"))
    np.testing.assert_array_equal(
        corpus.votes.counts(corpus.utterances.frame["utterance_id"]), [[2, 0], [0, 1], [1, 1]]
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            0,
            "zz",
            r"vote for an unknown utterance \(4 of 4 rejects\), for example .*votes\.csv:2: zz, anger by r1",
        ),
        (1, "?", r"incomplete vote \(4 of 4 rejects\), for example .*votes\.csv:2: u1, anger by nobody"),
        (3, "much", r"unusable weight \(4 of 4 rejects\), for example .*votes\.csv:2: u1, anger by r1"),
    ],
)
def test_a_corpus_that_loses_every_vote_is_an_error(
    tmp_path: Path, column: int, value: str, message: str
) -> None:
    write(tmp_path)
    rows = [[*row[:column], value, *row[column + 1 :]] for row in VOTES[1:]]
    (tmp_path / "votes.csv").write_text("".join(";".join(row) + "\n" for row in [VOTES[0], *rows]))
    with pytest.raises(UserError, match=f"^corpus table: no vote can be used; .*: {message}") as caught:
        ingested(tmp_path)
    assert "\n" not in str(caught.value)


def test_one_table_with_a_row_per_vote_repeats_its_utterances(tmp_path: Path) -> None:
    write(tmp_path)
    table = tmp_path / "batch_results.csv"
    table.write_text(
        '"WorkerId","Input.clip","Input.audio","Answer.emotion"\n'
        '"A1","u1","u1.wav","anger"\n"A2","u1","u1.wav","joy"\n"A2","u2","u2.wav","joy"\n"A1","u2","u3.wav","joy"\n'
    )
    (tmp_path / "votes.csv").unlink()
    names = {"utterance": "Input.clip", "audio": "Input.audio", "label": "Answer.emotion"}
    corpus = ingested(table, annotator="WorkerId", **names)
    assert not corpus.rejects.height and corpus.votes.frame.height == 4
    # One id, two recordings: every vote is on the one that was heard.
    assert set(corpus.utterances.frame["utterance_id"]) == {"u1", "u2@u2.wav", "u2@u3.wav"}
    assert corpus.profile["notes"] == [
        "1 utterance id stands beside several recordings, such as 'u2': the name of the recording is added to it"
    ]
    found = ingested(table, **names)
    assert "'WorkerId' is read as the annotator" in found.profile["notes"][0]
    assert found.votes.frame.equals(corpus.votes.frame)
