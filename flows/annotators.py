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

from filelock import FileLock, Timeout

from ambivox.flows import yaml_comments
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

    path = project / "data" / corpus / "alm"
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


def install_annotator(project: Path, corpus: str, folder: Path) -> None:
    """Make the ALM in ``folder`` the annotator of ``corpus``: copy it, track it with DVC, drop stage ``pretrain``.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml.
        folder: The ALM's model folder.

    Raises:
        UserError: DVC refuses; the message is its last line.
    """
    path = project / "data" / corpus / "alm"
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
    path = project / "data" / corpus / "alm"
    with changing(project) as params:
        yaml_comments.remove(params, "pretrain", corpus)
        options = params["corpora"][corpus].setdefault("annotate", {})
        known = hosted_of(candidate.location)
        is_at_home = known is not None and known.base_url == candidate.server
        yaml_comments.put(options, "server", "" if is_at_home else candidate.server)
        yaml_comments.put(options, "prices", list(candidate.prices))
    marker = path.with_name(f"{path.name}.dvc")
    if marker.is_file():
        _dvc(project, "remove", str(marker.relative_to(project)))
    if path.is_dir():
        shutil.rmtree(path)
    with atomic_path(path) as temporary:
        temporary.write_text(f"{candidate.location}\n", encoding="utf-8")


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
