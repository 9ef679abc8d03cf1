"""What DVC needs to open a project: settings without git, and its own files in order after a process was killed.

DVC truncates the files that it writes, and refuses to read one that was cut off.

``dvc.lock`` says what is up to date; a copy of it is kept before every stage. ``.dvc/tmp/rwlock`` says which processes are
busy with which outputs; without its content, DVC takes none to be busy.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from ambivox.models.files import atomic_path
from ambivox.models.yaml_documents import parse_yaml, read_yaml_document

_logger = logging.getLogger(__name__)


class Output(BaseModel):
    """An output of a stage in dvc.lock."""

    path: str
    md5: str = ""


class LockedStage(BaseModel):
    """A stage in dvc.lock."""

    outs: list[Output] = []


class LockFile(BaseModel):
    """The part of dvc.lock that says what outputs were at the last run."""

    stages: dict[str, LockedStage] = {}


# An empty file is read as None.
_LOCK_FILE = TypeAdapter(
    Annotated[LockFile, BeforeValidator(lambda content: {} if content is None else content)]
)


def read_lock_file(project: Path) -> LockFile:
    """Read dvc.lock; an empty or missing one is without stages.

    Args:
        project: The folder that holds dvc.yaml.

    Raises:
        UserError: It is no YAML, or of another type.
    """
    path = project / "dvc.lock"
    if not path.exists():
        return LockFile()
    return read_yaml_document(
        path, _LOCK_FILE, "what the stages of the pipeline wrote", "restore it: git checkout dvc.lock"
    )


def is_restorable(project: Path) -> bool:
    """Tell whether dvc.lock is damaged, and ``recover`` can put a copy in its place."""
    path = project / "dvc.lock"
    return path.is_file() and not _is_complete(_content(path)) and _copy(project).is_file()


def repo_config(project: Path) -> dict[str, Any]:
    """Settings that DVC needs where the project is in no git repository, for example as a downloaded archive."""
    folder = project.resolve()
    is_in_git = any((parent / ".git").exists() for parent in (folder, *folder.parents))
    return {} if is_in_git else {"core": {"no_scm": True}}


def keep_lock_file(project: Path) -> None:
    """Keep a copy of dvc.lock, if that is complete."""
    content = _content(project / "dvc.lock")
    if _is_complete(content):
        with atomic_path(_copy(project)) as temporary:
            temporary.write_bytes(content)


def recover(project: Path) -> None:
    """Put right what a killed process left. Files that a living process is writing stay as they are."""
    lock_file = project / "dvc.lock"
    if is_restorable(project):
        # DVC holds this lock while it writes dvc.lock, so the file is whole when the lock is free.
        with _held_lock(project / ".dvc" / "tmp", "lock") as is_held:
            if is_held and not _is_complete(_content(lock_file)):
                with atomic_path(lock_file) as temporary:
                    shutil.copyfile(_copy(project), temporary)
                _logger.warning(
                    "dvc.lock was cut off when a run was killed; the copy from before that stage is used"
                )
    recover_busy_list(project)


def recover_busy_list(project: Path) -> None:
    """Remove DVC's list of busy processes where a killed process left it cut off."""
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    folder = project / ".dvc" / "tmp"
    path = folder / RWLOCK_FILE
    if not path.is_file():
        return
    # DVC holds this lock while it writes the file.
    with _held_lock(folder, RWLOCK_LOCK) as is_held:
        if is_held:
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                path.unlink()


@contextlib.contextmanager
def _held_lock(folder: Path, name: str) -> Iterator[bool]:
    """One of DVC's locks, waited for up to three seconds; False where another process holds it for longer."""
    from dvc.lock import LockError, make_lock

    folder.mkdir(parents=True, exist_ok=True)
    lock = make_lock(str(folder / name), tmp_dir=str(folder))
    try:
        lock.lock()
    except LockError:
        yield False
        return
    try:
        yield True
    finally:
        lock.unlock()


def _copy(project: Path) -> Path:
    return project / ".ambivox" / "dvc.lock.copy"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_complete(lock_file: bytes) -> bool:
    try:
        content = parse_yaml(lock_file)
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("stages", {}), dict)
