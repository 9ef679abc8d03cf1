"""Which Ambivox a project of one's own runs with: software.yaml, with a hash of the code of every step.

The stages of a checkout depend on the code beside dvc.yaml. A project that ``ambivox init`` made has no code: its stages
depend on the hashes in software.yaml. ``ambivox upgrade`` alone writes them, and a stage refuses to run with other code, so
that what DVC calls up to date was made by the code that is named there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

import ambivox
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.yaml_documents import parse_yaml, read_yaml_document

FILE = "software.yaml"
PIPELINE = Path(__file__).parent / "project_files" / "dvc.yaml"
_COMMENT = "# The Ambivox that this project runs with. `ambivox upgrade` writes it; do not edit.\n"
_PACKAGE = Path(ambivox.__file__).parent


@dataclass(frozen=True)
class Software:
    """A version of Ambivox.

    Attributes:
        version: That of the package.
        steps: Per step of the pipeline, the SHA-256 of all code that decides its output.
        pipeline: The SHA-256 of the dvc.yaml that was written with it.
    """

    # YAML reads a version such as 1.0 as a number.
    __pydantic_config__ = ConfigDict(coerce_numbers_to_str=True)

    version: str
    steps: Mapping[str, str]
    pipeline: str


_SOFTWARE = TypeAdapter(Software)


def code_of_steps() -> dict[str, tuple[str, ...]]:
    """Per step, the files and folders of this package that decide its output, as dvc.yaml of the checkout lists them."""
    stages = parse_yaml(PIPELINE.read_bytes())["stages"]
    bodies = {step: stage.get("do", stage) for step, stage in stages.items()}
    return {
        step: tuple(path for path in body["deps"] if path.startswith(("tasks/", "models/")))
        for step, body in bodies.items()
    }


def installed(pipeline: str) -> Software:
    """The Ambivox that is running, with ``pipeline``, the text of the dvc.yaml that goes with it."""
    steps = {step: _digest(_files(paths)) for step, paths in code_of_steps().items()}
    return Software(importlib.metadata.version("ambivox"), steps, digest_of(pipeline))


def recorded(project: Path) -> Software | None:
    """The Ambivox that a project runs with; None for a checkout, whose stages depend on its own code.

    Raises:
        UserError: software.yaml cannot be read.
    """
    path = project / FILE
    if not path.exists():
        return None
    return read_yaml_document(
        path,
        _SOFTWARE,
        "versions and hashes of steps, which ambivox init wrote",
        f"restore it: git checkout {FILE}, or run: ambivox upgrade --discard-edits",
    )


def check(project: Path, steps: tuple[str, ...] = ()) -> None:
    """Check that a project runs with the code that it names.

    Args:
        project: The folder that holds dvc.yaml.
        steps: The steps that are about to run; all, if none is named.

    Raises:
        UserError: The code of a step differs.
    """
    known = recorded(project)
    if known is None:
        return
    now = installed("")
    differ = [step for step in steps or now.steps if known.steps.get(step) != now.steps[step]]
    if differ:
        raise UserError(
            f"this project runs with Ambivox {known.version}, and the code of {', '.join(differ)} in the installed "
            f"Ambivox {now.version} is another; see what changes with: ambivox upgrade --dry-run"
        )


def write(project: Path, software: Software) -> None:
    """Write software.yaml."""
    with atomic_path(project / FILE) as temporary:
        temporary.write_text(text_of(software), encoding="utf-8")


def text_of(software: Software) -> str:
    """A version of Ambivox as the text of software.yaml."""
    lines = [f"version: {software.version}", f"pipeline: {software.pipeline}", "steps:"]
    lines += [f"  {step}: {digest}" for step, digest in software.steps.items()]
    return _COMMENT + "\n".join(lines) + "\n"


def digest_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _files(paths: tuple[str, ...]) -> Iterator[Path]:
    for path in paths:
        place = _PACKAGE / path
        yield from (place,) if place.is_file() else place.rglob("*")


def _digest(files: Iterator[Path]) -> str:
    """The hash of names and contents, without what Python compiles."""
    names = {path.relative_to(_PACKAGE).as_posix(): path for path in files if path.is_file()}
    digest = hashlib.sha256()
    for name, path in sorted(names.items()):
        if "__pycache__" not in path.parts and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content}  {name}\n".encode())
    return digest.hexdigest()
