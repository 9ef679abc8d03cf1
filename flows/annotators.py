"""Which ALM annotates a corpus of a project, and putting another in its place.

``data/<corpus>/alm`` is the annotator: the output of stage ``pretrain``, a text file that names an ALM (a hosted one,
too), or, after a promotion, its folder. That folder is tracked by ``dvc add``, so that any revision of the project
restores the annotator that it used, even if the source of the ALM no longer has it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ambivox.flows import yaml_comments
from ambivox.flows.job import TINY
from ambivox.flows.params_file import changing, load
from ambivox.models.alms import hosted_of
from ambivox.models.annotator_registry import folder_source, models_source
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.dvc_files import recover_busy_list
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder, atomic_path

LEDGER = "ledger.parquet"
_NOT_COPIED = ("*.py", "*.bin", "*.pt", ".cache")  # code and pickles: nothing here loads them


def current_annotator(project: Path, corpus: str) -> Candidate | None:
    """The annotator in use; None where the corpus has none yet."""
    from ambivox.models.alms import resolve

    path = _place(project, corpus)
    if not path.exists():
        return None
    alm = resolve(str(path))
    if (hosted := alm.alm.hosted) is not None:
        options = load(project)["corpora"].get(corpus, {}).get("annotate") or {}
        server = options.get("server") or hosted.base_url
        day = hosted.shutdown.isoformat() if hosted.shutdown else ""
        source = f"{models_source.PREFIX}{server}"
        prices = tuple(options.get("prices") or ())
        return Candidate(alm.name, alm.revision, source, alm.name, server, prices, day)
    location = str(path.resolve()) if path.is_dir() else path.read_text(encoding="utf-8").strip()
    return Candidate(alm.name, alm.revision, folder_source.PREFIX, location)


def entered_annotator(project: Path, corpus: str, params: Any) -> str:
    """What annotates a corpus where a run names no ALM: what was entered or promoted before, else "tiny".

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml.
        params: The content of params.yaml.

    Returns:
        "tiny", or what ``name_annotator`` takes: a key, a folder, a hosted model; for the folder of a promoted ALM, its
        place, ``data/<corpus>/alm``.
    """
    path = _place(project, corpus)
    if corpus in params["pretrain"] or not path.exists():
        return TINY
    return str(path.relative_to(project)) if path.is_dir() else path.read_text(encoding="utf-8").strip()


def name_annotator(project: Path, corpus: str, alm: str) -> None:
    """Make an ALM from elsewhere the annotator of a corpus, or leave its place to stage ``pretrain``.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml.
        alm: "tiny" for the ALM of stage pretrain; else a key, a folder as seen from the project, or a hosted model.

    Raises:
        UserError: DVC refuses to let go of the ALM that was promoted before.
    """
    path = _place(project, corpus)
    if alm == TINY:
        if path.is_file() or _marker(path).is_file():
            _clear(project, path)
    elif path.is_dir() and alm == str(path.relative_to(project)):
        return
    elif not (path.is_file() and path.read_bytes().strip() == alm.encode()):
        _clear(project, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(f"{alm}\n", encoding="utf-8")


def install_annotator(project: Path, corpus: str, folder: Path) -> None:
    """Make the ALM in ``folder`` the annotator of ``corpus``: copy it, track it with DVC, drop stage ``pretrain``.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml.
        folder: The ALM's model folder.

    Raises:
        UserError: DVC refuses; the message is its last line.
    """
    path = _place(project, corpus)
    with changing(project) as params:
        # Stage pretrain would overwrite the folder with its own ALM.
        yaml_comments.remove(params, "pretrain", corpus)
    if path.is_file():
        path.unlink()
    # DVC tracks the folder, so that it can be restored; an earlier version wrote it without a marker.
    with atomic_folder(path, is_own=True) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    track(project, path)


def install_hosted(project: Path, corpus: str, candidate: Candidate) -> None:
    """Make a hosted ALM the annotator of ``corpus``: name it in data/<corpus>/alm, its address and prices in params.yaml.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml.
        candidate: The ALM.

    Raises:
        UserError: DVC refuses; the message is its last line.
    """
    with changing(project) as params:
        yaml_comments.remove(params, "pretrain", corpus)
        options = params["corpora"][corpus].setdefault("annotate", {})
        known = hosted_of(candidate.location)
        is_at_home = known is not None and known.base_url == candidate.server
        yaml_comments.put(options, "server", "" if is_at_home else candidate.server)
        yaml_comments.put(options, "prices", list(candidate.prices))
    name_annotator(project, corpus, candidate.location)


def _place(project: Path, corpus: str) -> Path:
    return project / "data" / corpus / "alm"


def _marker(path: Path) -> Path:
    """The file by which DVC tracks a promoted ALM."""
    return path.with_name(f"{path.name}.dvc")


def _clear(project: Path, path: Path) -> None:
    """Remove the annotator of a corpus, what DVC knows of it, and git's order to ignore it: a name belongs into git."""
    if _marker(path).is_file():
        _dvc(project, "remove", str(_marker(path).relative_to(project)))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    ignored = path.with_name(".gitignore")
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    if f"/{path.name}" in lines:
        with atomic_path(ignored) as temporary:
            temporary.write_text(
                "".join(f"{line}\n" for line in lines if line != f"/{path.name}"), encoding="utf-8"
            )


def track(project: Path, path: Path) -> None:
    """Track this version of ``path`` with DVC (``dvc add``): its hash goes to git, its content to the cache.

    Raises:
        UserError: DVC refuses; the message is its last line.
    """
    _dvc(project, "add", str(path.relative_to(project)))


def _dvc(project: Path, action: str, path: str) -> None:
    recover_busy_list(project)
    command = [sys.executable, "-m", "dvc", action, path]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise UserError(f"DVC cannot {action} {path}: {lines[-1] if lines else 'no reason given'}")


@contextmanager
def corpus_lock(project: Path, corpus: str) -> Iterator[bool]:
    """Hold a corpus's lock; yields False where another process on this machine holds it."""
    path = project / ".ambivox" / f"reannotate-{corpus}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
