"""``ambivox table``: what it shows, and that ingest reads by what it keeps."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ambivox.flows.cli import build
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.mapping_file import NAME, mapping_path, read_mapping, write_mapping
from ambivox.tasks._main import run
from tests.models.corpora.test_shapes import (  # noqa: F401 - root is a fixture
    CLIPS,
    as_lists,
    check,
    clip_rows,
    huggingface,
    ingested,
    long_rows,
    path_of,
    root,
    write,
)


def table(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code and the output of the command."""
    code = run(build(), ["table", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_it_shows_the_mapping_with_three_votes_and_writes_nothing(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(root / "ratings.csv", long_rows())
    code, shown = table(capsys, root)
    assert code == 0
    for part in (
        "audio           file",
        "annotator       rater",
        "label           emotion",
        "speaker         actor",
    ):
        assert part in shown
    assert shown.count("utterance_id=") == 3
    assert "4 utterances of 2 known speakers, 10 votes of 3 annotators" in shown
    assert "add --write to keep this" in shown
    assert not (root / NAME).exists()


def test_what_is_kept_is_what_ingest_reads(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    rows = [
        {
            "file": row["file"],
            "heard": row["emotion"],
            "style": style,
            "rater": row["rater"],
            "who": row["actor"],
        }
        for row, style in zip(long_rows(), ("calm", "sad", "calm", "calm") * len(long_rows()), strict=False)
    ]
    write(root / "study.csv", rows)
    with pytest.raises(UserError, match="the labels may be in 'heard' or 'style'"):
        ingested(root)
    code, _ = table(capsys, root, "--options.label", "heard", "--options.speaker", "who", "--write")
    assert code == 0
    assert "style" not in tomllib.loads((root / NAME).read_text()).values()
    check(ingested(root))
    check(ingested(root / "study.csv"))
    # An option of the caller comes first.
    assert ingested(root, label="style").votes.labels == ("calm", "sad")


def test_a_table_that_lacks_something_says_so_and_ends_with_2(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(root / "ratings.csv", [{"rater": row["rater"], "emotion": row["emotion"]} for row in long_rows()])
    code, shown = table(capsys, root, "--write")
    assert code == 2
    assert "a column with audio paths (option audio)" in shown
    assert not (root / NAME).exists()
    for missing in (root / "none", root / "snd"):
        code, shown = table(capsys, missing)
        assert code == 2
        assert "Traceback" not in shown


def test_recordings_inside_a_table_are_written_beside_it(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = {
        "audio": [
            {"bytes": (root / path_of(clip)).read_bytes(), "path": f"../../{clip}.wav"} for clip in CLIPS
        ],
        "speaker": [row["speaker"] for row in clip_rows()],
        "labels": as_lists(),
        "id": list(CLIPS),
    }
    huggingface(root / "train.parquet", columns, {})
    code, shown = table(capsys, root / "train.parquet", "--write")
    assert code == 0, shown
    written = sorted((root / "train-audio").iterdir())
    assert [path.name for path in written] == [f"{line:06}-{clip}.wav" for line, clip in enumerate(CLIPS, 1)]
    corpus = ingested(root)
    assert corpus.utterances.frame["utterance_id"].to_list() == list(CLIPS)
    assert corpus.rejects.height == 0
    # Without ids, those are the files' names below the table, wherever that is.
    huggingface(root / "train.parquet", {name: columns[name] for name in ("audio", "speaker", "labels")}, {})
    (root / "ambivox-table.toml").unlink()
    code, shown = table(capsys, root / "train.parquet", "--write")
    assert code == 0, shown
    assert ingested(root).utterances.frame["utterance_id"].to_list() == [
        f"train-audio/{path.name}" for path in written
    ]


def test_a_mapping_holds_any_name(tmp_path: Path) -> None:
    options = {"audio": 'a "quoted" \\ name\x7f', "labels": ["日本", "a,b", "\t"], "separator": "|"}
    write_mapping(tmp_path, options)
    assert read_mapping(tmp_path) == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label = ", "cannot be read as TOML"),
        ("lable = 'x'", "unknown option in .* 'lable'; known: age, annotator"),
        ("label = 3", "label: expected text, found 3"),
        ("labels = 3", "labels: expected a list"),
        ("shape = 'row'", "unknown shape in .* 'row'; known: clips, counts, list, raters, rows"),
    ],
)
def test_a_mapping_with_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    mapping_path(tmp_path).write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path)
