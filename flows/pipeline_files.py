"""The files that a run reads before its first stage: .dvc/config, dvc.yaml and params.yaml, checked before anything changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ambivox.flows import params_file
from ambivox.models.errors import UserError
from ambivox.models.regular_files import read_bytes
from ambivox.models.yaml_documents import parse_yaml


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
    checks: tuple[Callable[[Path], object], ...] = (_check_dvc_config, _check_stages, params_file.load)
    for check in checks:
        try:
            check(project)
        except UserError as error:
            yield " ".join(str(error).split())


def _check_dvc_config(project: Path) -> None:
    """Read DVC's settings: those of the project, and those of the user and the machine, which count as well."""
    from dvc.config import Config, ConfigError

    try:
        Config(dvc_dir=str(project / ".dvc"))
    except (ConfigError, UnicodeDecodeError, OSError) as error:
        reason = str(error.__cause__ or error)
        raise UserError(f"{project / '.dvc' / 'config'}: DVC cannot read its settings ({reason})") from error


def _check_stages(project: Path) -> None:
    path = project / "dvc.yaml"
    content = read_bytes(path, "stages")
    try:
        pipeline = parse_yaml(content)
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(pipeline, dict) or not isinstance(pipeline.get("stages"), dict):
        raise UserError(f"{path}: expected a mapping with stages")
