"""A project of one's own, outside the checkout: making one, and bringing one to the installed version of Ambivox."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambivox.flows import software, yaml_comments
from ambivox.flows.params_conversion import convert
from ambivox.flows.params_file import CORPUS_STEPS, SECTION_STEPS, changing
from ambivox.flows.pipeline_files import check_place
from ambivox.flows.step_options import build_options, default_values
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.output_places import check_not_in_output
from ambivox.models.processes.git import run_git
from ambivox.models.regular_files import read_text
from ambivox.models.temporary_files import scratch_folder

_FILES = software.PIPELINE.parent
_HEADER = """\
# The pipeline, once for every corpus of params.yaml. `dvc repro` brings all of it up to date; `ambivox run` does the same
# through Prefect. A stage depends on its options in params.yaml and on the hash of its code in software.yaml.
# `ambivox upgrade` writes this file: put stages of your own into a dvc.yaml in a folder of their own.
"""
# A stage's options, then its code; the code is another list in a project that has none.
_OPTIONS_AND_CODE = re.compile(
    r"(?P<indent> +)params:\n(?P<options>(?: +- .*\n)+)(?P<deps>(?: +#.*\n)* +deps:\n)"
    r"(?P<item> +- )tasks/(?P<step>\w+)\.py\n(?: +- models/\S+\n)*"
)


def pipeline() -> str:
    """The text of dvc.yaml for a project without code: a stage depends on the hash of its code in software.yaml."""

    def stage(match: re.Match[str]) -> str:
        item = match["item"]
        code = f"{item}{software.FILE}:\n{' ' * len(item)}  - steps.{match['step']}\n"
        return f"{match['indent']}params:\n{match['options']}{code}{match['deps']}"

    text = software.PIPELINE.read_text(encoding="utf-8")
    stages = text[text.index("stages:\n") :]
    return _HEADER + _OPTIONS_AND_CODE.sub(stage, stages)


def make(folder: Path) -> list[str]:
    """Make a project in a folder; files of other names in it stay as they are.

    Args:
        folder: A new or existing folder, also one below a git repository.

    Returns:
        The files that were written, relative to the folder.

    Raises:
        UserError: It is a project or a checkout already, holds a file of the same name, git is missing, or git or DVC
            refuses or cannot work there.
    """
    if (folder / software.FILE).exists():
        raise UserError(
            f"{folder} is an Ambivox project already; to bring it to the installed version, run there: ambivox upgrade"
        )
    check_place(folder)
    place = folder.resolve()
    check_not_in_output(folder, (place, *place.parents))
    text = pipeline()
    contents = {
        "dvc.yaml": text,
        "params.yaml": _packaged("params.yaml"),
        "README.md": _packaged("README.md"),
    }
    for name, content in contents.items():
        path = folder / name
        _check_no_link(path)
        if name != "README.md" and path.exists() and path.read_bytes() != content.encode():
            raise UserError(
                f"{path} exists already, and is not one that ambivox init writes; choose another folder"
            )
    for name in (".gitignore", software.FILE):
        _check_no_link(folder / name)
    run_git(Path.cwd(), "--version")  # before anything is made: a project is a git repository
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # as in /proc
        raise UserError(f"{folder}: no folder can be made there; choose another place") from error
    _set_up_git_and_dvc(folder)
    contents[".dvc/config"] = _packaged("dvc_config")
    written = []
    for name, content in contents.items():
        path = folder / name
        if not path.exists() or (name == ".dvc/config" and not path.read_bytes().strip()):
            with atomic_path(path) as temporary:
                temporary.write_text(content, encoding="utf-8")
            written.append(name)
    if _extend_gitignore(folder / ".gitignore"):
        written.append(".gitignore")
    # Last: a folder with this file is complete, and any other is completed by the same command.
    software.write(folder, software.installed(text))
    return [*written, software.FILE]


def _check_no_link(path: Path) -> None:
    """Refuse a link, which would be replaced by a file."""
    if path.is_symlink():
        raise UserError(
            f"{path}: found a link, expected a file or nothing; choose another folder, or remove it"
        )


def _set_up_git_and_dvc(folder: Path) -> None:
    prefix = run_git(folder, "rev-parse", "--show-prefix")
    if prefix.returncode:
        _check(run_git(folder, "init", "--quiet"), folder, "git init")
    # What git ignores cannot be versioned, and DVC refuses it.
    elif ignored_by := run_git(folder, "check-ignore", "--verbose", ".dvc").stdout:
        rule = ignored_by.partition("\t")[0]
        raise UserError(
            f"{folder}: the git repository around it ignores this folder ({rule}); choose another folder, or take that rule out"
        )
    if not (folder / ".dvc").is_dir():
        below = ["--subdir"] if prefix.returncode == 0 and prefix.stdout.strip() else []
        command = [sys.executable, "-m", "dvc", "init", *below]  # --quiet would hide why it fails
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        _check(done, folder, "dvc init")


def _check(done: subprocess.CompletedProcess[str], folder: Path, name: str) -> None:
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [
            f"exit code {done.returncode}"
        ]
        raise UserError(f"{folder}: {name} failed: {lines[0].strip()}")


def _extend_gitignore(path: Path) -> bool:
    """Add the lines that are not there; returns whether any was missing."""
    lines = _packaged("gitignore").splitlines()
    known = read_text(path, "what git ignores") if path.exists() else ""
    missing = [line for line in lines if line not in known.splitlines()]
    if missing:
        separator = "\n" if known and not known.endswith("\n") else ""
        with atomic_path(path) as temporary:
            temporary.write_text(known + separator + "\n".join(missing) + "\n", encoding="utf-8")
    return bool(missing)


def _packaged(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade changes.

    Attributes:
        before: The version of Ambivox that the project ran with.
        after: The installed one.
        steps: Steps whose code differs, so that their stages run again.
        notes: What was converted in params.yaml.
        diff: The changes of dvc.yaml, params.yaml and software.yaml, as a unified diff; empty where nothing changes.
    """

    before: str
    after: str
    steps: tuple[str, ...]
    notes: tuple[str, ...]
    diff: str


def upgrade(project: Path, *, dry_run: bool, discard_edits: bool) -> Upgrade:
    """Bring a project to the installed version of Ambivox. Options that the user set in params.yaml stay.

    Args:
        project: The folder that holds dvc.yaml.
        dry_run: Write nothing.
        discard_edits: Replace a dvc.yaml that was edited by hand, or a damaged software.yaml.

    Raises:
        UserError: It is a checkout, dvc.yaml was edited, or params.yaml has an option that no longer exists.
    """
    if not (project / software.FILE).exists():
        raise UserError(
            f"{project.resolve()} has no {software.FILE}: it is a checkout, which `git pull` upgrades, or no project"
        )
    if not (project / "params.yaml").is_file():
        raise UserError(
            f"{project / 'params.yaml'}: no such file; expected the options of the pipeline; restore it: git checkout params.yaml"
        )
    known = None if discard_edits else software.recorded(project)
    text = pipeline()
    now = software.installed(text)
    current = _read(project / "dvc.yaml")
    if known and current not in ("", text) and software.digest_of(current) != known.pipeline:
        raise UserError(
            "dvc.yaml was edited by hand; move stages of your own to a dvc.yaml in a folder of their own, or give --discard-edits"
        )
    with scratch_folder() as trial:
        shutil.copy(project / "params.yaml", trial)
        notes = _upgrade_params(trial)
        params = _read(trial / "params.yaml")
    new = {"dvc.yaml": text, "params.yaml": params, software.FILE: software.text_of(now)}
    diff = "".join(_diff(name, _read(project / name), content) for name, content in new.items())
    if not dry_run:
        _upgrade_params(project)
        with atomic_path(project / "dvc.yaml") as temporary:
            temporary.write_text(text, encoding="utf-8")
        software.write(project, now)
    before = known.steps if known else {}
    steps = tuple(step for step, digest in now.steps.items() if before.get(step) != digest)
    return Upgrade(known.version if known else "unknown", now.version, steps, tuple(notes), diff)


def _upgrade_params(project: Path) -> list[str]:
    """Convert earlier forms, and add the options that are new with their defaults."""
    notes = convert(project)
    with changing(project) as params:
        entries = [
            (params["corpora"][key], step, f"corpora.{key}.{step}")
            for key in params["corpora"]
            for step in CORPUS_STEPS
        ]
        entries += [(params[step], key, f"{step}.{key}") for step in SECTION_STEPS for key in params[step]]
        for parent, name, where in entries:
            step = name if name in CORPUS_STEPS else where.partition(".")[0]
            _add_new_options(parent, name, step, where)
    return notes


def _add_new_options(parent: Any, name: str, step: str, where: str) -> None:
    known = parent[name] or {}
    build_options(step, known, f"params.yaml: {where}")
    missing = {option: value for option, value in default_values(step).items() if option not in known}
    if missing and not known:
        yaml_comments.put(parent, name, missing)
    for option, value in missing.items() if known else ():
        yaml_comments.put(known, option, value)


def _read(path: Path) -> str:
    return read_text(path, "the text that is compared") if path.exists() else ""


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
