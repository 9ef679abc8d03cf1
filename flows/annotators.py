"""Which ALM annotates a corpus of a project, and putting another in its place.

``data/<corpus>/alm`` is the annotator: the output of stage ``pretrain``, a text file that names an ALM, or,
once one was promoted, its folder, tracked by ``dvc add`` so that any revision of the project brings back the
very annotator that it used, whether or not the place it came from still has it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ambivox.flows import project as projects
from ambivox.models.annotator_registry.watch import Candidate
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder

LEDGER = "ledger.parquet"


def standing(project: Path, corpus: str) -> Candidate | None:
    """The annotator in use; None where the corpus has none yet."""
    from ambivox.models.alms import resolve

    place = project / "data" / corpus / "alm"
    if not place.exists():
        return None
    found = resolve(str(place))
    location = str(place.resolve()) if place.is_dir() else place.read_text(encoding="utf-8").strip()
    return Candidate(found.name, found.revision, "folder:", location)


def install(project: Path, corpus: str, folder: Path) -> None:
    """Make the ALM in ``folder`` the annotator of ``corpus``: copied, tracked by DVC, and no longer trained here.

    Raises:
        UserError: DVC refuses, with its last line.
    """
    place = project / "data" / corpus / "alm"
    params = projects.load(project)
    if params.get("pretrain") and corpus in params["pretrain"]:
        # Stage pretrain would put its own ALM there again.
        params["pretrain"].pop(corpus)
        projects.save(project, params)
    if place.is_file():
        place.unlink()
    with atomic_folder(place) as temporary:
        shutil.copytree(
            folder,
            temporary,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("*.py", "*.bin", "*.pt", ".cache"),
        )
    track(project, place)


def track(project: Path, path: Path) -> None:
    """Have DVC keep this version of ``path`` (``dvc add``): its hash goes to git, its content to the cache."""
    command = [sys.executable, "-m", "dvc", "add", "--quiet", str(path.relative_to(project))]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"DVC cannot track {path}: {said[-1] if said else 'no reason given'}")


@contextmanager
def alone(project: Path, corpus: str) -> Iterator[bool]:
    """Hold the corpus's lock; yields False where another process on this machine holds it."""
    lock = project / ".ambivox" / f"reannotate-{corpus}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
