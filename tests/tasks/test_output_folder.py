"""No step deletes what this software did not write, whatever ``out`` is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder
from ambivox.models.output_places import MARKER
from ambivox.models.prompting.model_folder import revision_of
from tests.support import steps


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A table corpus of eight utterances with their recordings."""
    root = tmp_path / "corpora" / "mine"
    (root / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, votes = ["utterance_id,audio,speaker"], ["utterance_id,annotator_id,label"]
    for number in range(8):
        soundfile.write(root / "audio" / f"u{number}.wav", rng.normal(scale=0.1, size=8_000), 16_000)
        rows.append(f"u{number},audio/u{number}.wav,s{number % 4}")
        votes += [f"u{number},r{rater},{label}" for rater, label in enumerate(("anger", "neutral"))]
    (root / "utterances.csv").write_text("\n".join(rows))
    (root / "votes.csv").write_text("\n".join(votes))
    return root


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def ingest(root: Path, out: Path) -> None:
    steps.ingest(corpus="table", root=root, out=out, cache=root.parent.parent / "cache.sqlite")


def test_ingest_into_its_own_root_leaves_every_recording(root: Path) -> None:
    before = contents(root.parent)
    for out in (root, root.parent, root.parent.parent):
        with pytest.raises(UserError, match=r"is or contains the input .*name another folder"):
            ingest(root, out)
    with pytest.raises(UserError, match="holds files that Ambivox did not write"):
        ingest(root, root / "audio")
    assert contents(root.parent) == before


@pytest.mark.parametrize("kind", ["file", "link", "foreign folder"])
def test_ingest_leaves_files_links_and_folders_of_others(kind: str, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("my notes")
    elif kind == "link":
        out.symlink_to(root)
    else:
        out.mkdir()
        (out / "notes.txt").write_text("my notes")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="name another folder"):
        ingest(root, out)
    assert contents(tmp_path) == before


def test_ingest_leaves_the_home_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match="home folder"):
        ingest(root, tmp_path / "home")
    assert (tmp_path / "home").is_dir()


def test_an_empty_folder_and_an_own_one_are_replaced(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    ingest(root, out)
    first = contents(out)
    assert MARKER in first
    (out / MARKER).unlink()  # as an earlier version wrote it
    (out / "left-over.json").touch()
    ingest(root, out)
    assert contents(out) == first
    (out / "left-over.txt").touch()
    ingest(root, out)
    assert contents(out) == first


INPUTS: dict[str, tuple[str, ...]] = {
    "annotate": ("utterances",),
    "augment": ("utterances", "distributions"),
    "evaluate": ("utterances", "votes", "predictions", "heldout", "annotations", "distributions"),
    "export": ("utterances", "votes", "distributions"),
    "finetune": ("utterances", "distributions", "augmented"),
    "import_votes": ("source", "utterances", "votes"),
    "plan_labels": ("utterances", "votes", "annotations", "heldout"),
    "pool": ("utterances", "votes", "annotations"),
    "pretrain": ("utterances", "votes"),
    "trial": ("utterances", "votes", "annotations", "heldout"),
    "validate": ("utterances", "votes", "heldout", "annotations", "distributions", "truth"),
}
OTHER_ARGUMENTS = {
    "annotate": {"alm": "qwen2_audio"},
    "finetune": {"alm": "qwen2_audio"},
    "plan_labels": {"budget": 1},
}


@pytest.mark.parametrize(("step", "name"), [(step, name) for step, names in INPUTS.items() for name in names])
def test_every_step_refuses_a_folder_that_holds_an_input(step: str, name: str, tmp_path: Path) -> None:
    arguments = {other: tmp_path / f"{other}.parquet" for other in INPUTS[step]}
    arguments[name] = tmp_path / "out" / f"{name}.parquet"
    # An own folder, which would be replaced if it held no input.
    with atomic_folder(tmp_path / "out"):
        pass
    for path in arguments.values():
        path.write_text("content")
    with pytest.raises(UserError, match=f"is or contains the input .*{name}"):
        getattr(steps, step)(**arguments, out=tmp_path / "out", **OTHER_ARGUMENTS.get(step, {}))
    assert all(path.read_text() == "content" for path in arguments.values())


def test_annotate_refuses_a_folder_that_holds_the_vote_store(tmp_path: Path) -> None:
    (tmp_path / "utterances.parquet").touch()
    store = tmp_path / "out" / "store"
    with pytest.raises(UserError, match=r"is or contains the input .*store"):
        steps.annotate(
            utterances=tmp_path / "utterances.parquet",
            alm="qwen2_audio",
            store=str(store),
            out=tmp_path / "out",
        )


def test_the_marker_does_not_change_an_alm_s_revision(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = revision_of(tmp_path)
    (tmp_path / MARKER).write_text("marker")
    assert revision_of(tmp_path) == before
