"""What is removed from a project's folder, what is withdrawn, and what is left alone."""

from __future__ import annotations

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
    removed = remove_mentions(tmp_path, NAMES, [tmp_path / "data/other"])
    assert removed.files == 6  # the export's three, the cached file, the checkpoint, the drawing
    assert removed.remaining == [own]
    assert not any(path.exists() for path in (tmp_path / "exported/csv", cached, checkpoint, drawing))
    assert all(
        path.exists() for path in (tmp_path / "exported/other/votes.csv", kept_cache, skipped, outside)
    )
    assert remove_mentions(tmp_path, NAMES, [tmp_path / "data/other"]).files == 0
