"""The project's own files that commands read, such as dvc.yaml and params.yaml, checked before anything changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ambivox.flows import params_file, software
from ambivox.models.dvc_files import is_restorable, read_lock_file
from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.regular_files import read_bytes
from ambivox.models.yaml_documents import parse_yaml, read_yaml_document

_STAGES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def check_pipeline_files(project: Path) -> None:
    """Check that the files can be read.

    Args:
        project: The folder that holds dvc.yaml.

    Raises:
        UserError: One cannot.
    """
    for problem in pipeline_problems(project):
        raise UserError(problem)


def pipeline_problems(project: Path) -> Iterator[str]:
    """Say which of the files cannot be read, and why.

    Args:
        project: The folder that holds dvc.yaml.

    Yields:
        One line per file.
    """
    checks: tuple[Callable[[Path], object], ...] = (
        check_place,
        software.recorded,
        _check_dvc_config,
        _check_stages,
        _check_lock_file,
        params_file.load,
    )
    for check in checks:
        try:
            check(project)
        except UserError as error:
            yield " ".join(str(error).split())


def check_place(project: Path) -> None:
    """Check that DVC can work there: it formats its messages with the paths in them.

    Args:
        project: The folder, which need not exist.

    Raises:
        UserError: The path has a brace.
    """
    place = str(project.absolute())
    if "{" in place or "}" in place:
        raise UserError(
            f"{place}: DVC cannot work where the path has {{ or }}; expected a folder without them"
        )


def _check_dvc_config(project: Path) -> None:
    """Read DVC's settings: those of the project, and those of the user and the machine, which count as well."""
    from dvc.config import Config, ConfigError

    try:
        Config(dvc_dir=str(project / ".dvc"))
    except (ConfigError, UnicodeDecodeError, OSError) as error:
        reason = error_text(error.__cause__ or error)
        raise UserError(
            f"{project / '.dvc' / 'config'}: DVC cannot read its settings ({reason}); mend the file, or restore it: git checkout .dvc/config"
        ) from error


def _check_stages(project: Path) -> None:
    from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

    path, advice = project / "dvc.yaml", "restore it: git checkout dvc.yaml"
    content = read_yaml_document(path, _STAGES, "a mapping with stages", advice)
    if not isinstance(content.get("stages"), dict):
        raise UserError(f"{path}: expected a mapping with stages; {advice}")
    _check_as_dvc(path, content, COMPILED_MULTI_STAGE_SCHEMA, advice)


def _check_lock_file(project: Path) -> None:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    path, advice = project / "dvc.lock", "restore it: git checkout dvc.lock"
    if is_restorable(project) or not path.exists():
        return
    read_lock_file(project)
    content = parse_yaml(read_bytes(path, advice))
    if content is not None:
        _check_as_dvc(path, content, COMPILED_LOCKFILE_SCHEMA, advice)


def _check_as_dvc(path: Path, content: Any, schema: Callable[[Any], Any], advice: str) -> None:
    """Check what DVC checks later, when the corpus is entered already."""
    from dvc.utils.strictyaml import YAMLValidationError, validate

    try:
        validate(content, schema)
    except YAMLValidationError as error:
        raise UserError(f"{path}: DVC cannot read it ({error_text(error.exc)}); {advice}") from error
