"""Removing what a project's folder holds of the people who are forgotten.

A step's output is removed whole, as the next run makes it again without them. Fitted models stay, because they take hours;
they are withdrawn until they are fitted again. Files that Ambivox did not write are never changed, only listed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ambivox.models.forgetting.archives import UnsearchableError
from ambivox.models.forgetting.folders import files_below
from ambivox.models.forgetting.mentions import SQLITE_MAGIC, Names, mentions, remove_rows
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES
from ambivox.models.output_places import MARKER
from ambivox.models.withdrawn import is_withdrawn, withdraw

_STATE = ".ambivox"
# Checkpoints and intermediate arrays of unfinished fits, below .ambivox/.
_UNFINISHED = ("finetune", "pretrain")
# Drawings may name utterances, in outlines of letters that cannot be searched.
_DRAWINGS = "prefect/pictures"
_FITTED_SPLITS = frozenset({"pretrain", "train", "development"})


@dataclass
class Removed:
    """What was done in a project's folder.

    Attributes:
        files: How many files were removed.
        rows: How many rows were removed from databases.
        withdrawn: Models that must be fitted again.
        remaining: Files that mention the people, but are not Ambivox's.
        unsearched: Files and folders of which nobody knows whether they mention them, and why.
    """

    files: int = 0
    rows: int = 0
    withdrawn: list[Path] = field(default_factory=list)
    remaining: list[Path] = field(default_factory=list)
    unsearched: list[tuple[Path, str]] = field(default_factory=list)


def remove_outputs(data: Path, outputs: Collection[str], splits: Collection[str]) -> Removed:
    """Remove the outputs of a corpus's stages; the tables that people are found by are removed last.

    Args:
        data: The folder data/<corpus>.
        outputs: Names in it that stages write.
        splits: The splits that the people are in, which decide what was fitted with them.

    Returns:
        What was done.
    """
    removed = Removed()
    models = [path for path in (data / "alm", *sorted(data.glob("finetuned/*"))) if path.is_dir()]
    fitted_in = {"alm": {"pretrain"}}
    for model in models:
        was_fitted = (model / "training.json").is_file() or (model / "ambivox.json").is_file()
        concerned = fitted_in.get(model.name, _FITTED_SPLITS)
        if was_fitted and concerned & set(splits) and not is_withdrawn(model):
            withdraw(model)
            removed.withdrawn.append(model)
    for name in sorted(set(outputs) - {"alm", "finetuned"}, key=lambda name: name == "ingest"):
        removed.files += _remove(data / name)
    return removed


def remove_mentions(
    project: Path, names: Names, skipped: Collection[Path], roots: Collection[Path] = ()
) -> Removed:
    """Remove what else mentions the people: caches, logs, rows of Prefect's database, exports and pilots.

    Args:
        project: The project's folder.
        names: What the people are known by.
        skipped: Folders and files that are left alone: the vote store, corpora that were not chosen, outputs.
        roots: The user's folders of corpora: what mentions people there is named. Recordings are not looked at.

    Returns:
        What was done.
    """
    removed = Removed()
    for name in (*_UNFINISHED, _DRAWINGS):
        removed.files += _remove(project / _STATE / name)
    left_alone = {path.resolve() for path in skipped}
    users = {path.resolve() for path in roots} - {project.resolve(), *project.resolve().parents}
    found, unsearched = files_below(project, left_alone)
    removed.unsearched += [(path, "it cannot be listed") for path in unsearched]
    for path in found:
        if not path.is_file():
            continue
        place = path.resolve()
        is_users = any(place.is_relative_to(root) for root in users)
        is_recording = path.name.lower().endswith(AUDIO_SUFFIXES)
        if is_recording and is_users:
            continue
        owner = None if is_users else _output_of(path, project)
        is_own = owner is not None or (not is_users and _is_state(path, place, project))
        try:
            # Recordings that are theirs are listed by themselves.
            name = "" if is_recording else path.name if is_own else str(path.relative_to(project))
            is_mentioned = names.are_in(os.fsencode(name)) or mentions(path, names)
        except UnsearchableError as error:
            removed.unsearched.append((path, str(error)))
            continue
        if not is_mentioned:
            continue
        if not is_own:
            removed.remaining.append(path)
        elif _is_database(path):
            removed.rows += remove_rows(path, names)
        else:
            removed.files += _remove(owner or path)
            if owner is None and place.is_file():  # behind a link
                removed.remaining.append(place)
    return removed


def _is_state(path: Path, place: Path, project: Path) -> bool:
    """Whether a file is one of .ambivox/, which may be on another disk, but not a link from there to elsewhere in the project."""
    state = project / _STATE
    is_elsewhere = place.is_relative_to(project.resolve()) and not place.is_relative_to(state.resolve())
    return path.is_relative_to(state) and not is_elsewhere


def _output_of(path: Path, project: Path) -> Path | None:
    """The output folder of this software that a file is in."""
    return next(
        (
            parent
            for parent in path.parents
            if parent.is_relative_to(project) and parent != project and (parent / MARKER).is_file()
        ),
        None,
    )


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _remove(path: Path) -> int:
    """Remove a file or folder, if it exists, and what a link to a folder leads to; how many files it was."""
    if path.is_symlink() and path.is_dir():
        target = path.resolve()
        path.unlink()
        return _remove(target)
    if path.is_symlink() or path.is_file():
        path.unlink()
        return 1
    if not path.is_dir():
        return 0
    count = sum(1 for each in path.rglob("*") if each.is_file())
    shutil.rmtree(path)
    return count
