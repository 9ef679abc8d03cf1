"""What is removed from a project's folder, what is withdrawn, and what is left alone."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from ambivox.models.files import atomic_folder
from ambivox.models.forgetting.mentions import Names
from ambivox.models.forgetting.project_files import remove_mentions, remove_outputs
from ambivox.models.withdrawn import is_withdrawn

NAMES = Names({"call-001"}, set())
OUTPUTS = {"ingest", "alm", "annotations", "finetuned", "predictions", "report.html"}


def write(path: Path, text: str = "call-001") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def outputs(data: Path) -> None:
    for name in ("ingest/utterances.parquet", "annotations/a", "predictions/p", "report.html", "dvc.yaml"):
        write(data / name)
    for name in ("alm/training.json", "finetuned/human-on/ambivox.json", "finetuned/human-on/training.json"):
        write(data / name, "{}")
    write(data / "finetuned/left-out/left_out.json", "{}")


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"test"}, set()),
        ({"train"}, {"human-on"}),
        ({"development", "test"}, {"human-on"}),
        ({"pretrain"}, {"alm", "human-on"}),
    ],
)
def test_models_that_were_fitted_with_them_are_withdrawn(
    tmp_path: Path, splits: set[str], expected: set[str]
) -> None:
    outputs(tmp_path)
    removed = remove_outputs(tmp_path, OUTPUTS, splits)
    assert {path.name for path in removed.withdrawn} == expected
    assert {
        path.name for path in (tmp_path / "alm", *tmp_path.glob("finetuned/*")) if is_withdrawn(path)
    } == expected
    assert removed.files == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alm", "dvc.yaml", "finetuned"]
    assert remove_outputs(tmp_path, OUTPUTS, splits).withdrawn == []


def test_an_alm_from_elsewhere_is_not_withdrawn(tmp_path: Path) -> None:
    write(tmp_path / "alm", "qwen2_audio")
    assert remove_outputs(tmp_path, OUTPUTS, {"pretrain"}).withdrawn == []
    write(tmp_path / "other/alm/config.json")
    assert remove_outputs(tmp_path / "other", OUTPUTS, {"pretrain"}).withdrawn == []
    assert (tmp_path / "alm").read_text() == "qwen2_audio"


def test_only_what_ambivox_wrote_is_removed(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "exported/csv") as folder:
        write(folder / "votes.csv")
        write(folder / "labels.json", "[]")
    with atomic_folder(tmp_path / "exported/other") as folder:
        write(folder / "votes.csv", "call-002")
    cached = write(tmp_path / ".ambivox/features/a.parquet")
    kept_cache = write(tmp_path / ".ambivox/features/b.parquet", "call-002")
    checkpoint = write(tmp_path / ".ambivox/finetune/run/weights", "no name in it")
    drawing = write(tmp_path / ".ambivox/prefect/pictures/0.svg", "no name in it")
    own = write(tmp_path / "notes.txt")
    write(tmp_path / ".git/objects/x")
    write(tmp_path / ".dvc/cache/x")
    skipped = write(tmp_path / "data/other/ingest/x")
    outside = write(tmp_path.parent / f"{tmp_path.name}-outside/x")
    (tmp_path / "link").symlink_to(outside.parent)
    (tmp_path / "circle").symlink_to(tmp_path)
    removed = remove_mentions(tmp_path, NAMES, [tmp_path / "data/other"])
    assert removed.files == 6  # the export's three, the cached file, the checkpoint, the drawing
    assert removed.remaining == [own, tmp_path / "link/x"]
    assert not any(path.exists() for path in (tmp_path / "exported/csv", cached, checkpoint, drawing))
    assert all(
        path.exists() for path in (tmp_path / "exported/other/votes.csv", kept_cache, skipped, outside)
    )
    assert remove_mentions(tmp_path, NAMES, [tmp_path / "data/other"]).files == 0


def test_what_is_on_another_disk_behind_a_link_is_removed(tmp_path: Path) -> None:
    project, disk = tmp_path / "project", tmp_path / "disk"
    project.mkdir()
    cached = write(disk / "state/features/a.parquet")
    database = disk / "state/prefect.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE log (message TEXT)")
        connection.execute("INSERT INTO log VALUES ('about call-001')")
    with atomic_folder(disk / "exported/csv") as folder:
        write(folder / "votes.csv")
    own = write(disk / "exported/mine.csv")
    with atomic_folder(disk / "one") as folder:
        write(folder / "votes.csv")
    write(disk / "ingest/utterances.parquet")
    for name, target in {".ambivox": "state", "exported": "exported", "one": "one"}.items():
        (project / name).symlink_to(disk / target)
    (project / "exported/back").symlink_to(project)
    removed = remove_mentions(project, NAMES, [])
    assert (removed.rows, removed.files) == (1, 5)
    assert removed.remaining == [project / "exported/mine.csv"]
    assert own.exists()
    assert not any(path.exists() for path in (cached, disk / "exported/csv", disk / "one", project / "one"))
    (project / "data").mkdir()
    (project / "data/ingest").symlink_to(disk / "ingest")
    assert remove_outputs(project / "data", OUTPUTS, {"test"}).files == 1
    assert not (disk / "ingest").exists()


def test_files_of_a_corpus_in_the_project_are_named_and_stay(tmp_path: Path) -> None:
    votes = write(tmp_path / "recs/votes.csv")
    by_name = write(tmp_path / "recs/transcripts/call-001.txt", "hello")
    write(tmp_path / "recs/audio/call-001.wav")
    with atomic_folder(tmp_path / "recs/exported") as folder:
        write(folder / "utterances.csv")
    runs = tmp_path / "runs.db"
    with sqlite3.connect(runs) as connection:
        connection.execute("CREATE TABLE log (message TEXT)")
        connection.execute("INSERT INTO log VALUES ('about call-001')")
    (tmp_path / ".ambivox").mkdir()
    (tmp_path / ".ambivox/link").symlink_to(tmp_path / "recs")
    (tmp_path / ".ambivox/votes").symlink_to(votes)
    removed = remove_mentions(tmp_path, NAMES, [], [tmp_path / "recs"])
    assert (removed.rows, removed.files) == (0, 0)
    assert set(removed.remaining) == {votes, by_name, tmp_path / "recs/exported/utterances.csv", runs}


def test_what_was_not_searched_is_named(tmp_path: Path) -> None:
    project = tmp_path / "project"
    cut = project / "backup.csv.gz"
    project.mkdir()
    cut.write_bytes(gzip.compress(b"call-002")[:-4])
    (project / "above").symlink_to(tmp_path)
    removed = remove_mentions(project, NAMES, [])
    assert removed.remaining == []
    assert [path for path, _ in removed.unsearched] == [project / "above", cut]
