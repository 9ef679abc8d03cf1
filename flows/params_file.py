"""A project's params.yaml: its sections, and reading and changing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.files import atomic_path
from ambivox.models.yaml_documents import check_nesting

_LOCK_SECONDS = 600.0  # reading a large corpus takes minutes
# Steps with options in an entry of params.yaml: corpora.<key>.<step>.
CORPUS_STEPS = (
    "ingest",
    "annotate",
    "pool",
    "validate",
    "augment",
    "finetune",
    "predict",
    "evaluate",
    "report",
)
# Steps with a section of their own, <step>.<key>: not every corpus has them.
SECTION_STEPS = ("pretrain", "trial")

# The sections of params.yaml, and what each holds where it is absent.
_SECTIONS: dict[str, dict[str, Any]] = {
    "corpora": {},
    **{step: {} for step in SECTION_STEPS},
    "matrix": {"corpora": [], "sources": [], "dime_aug": []},
}


def load(project: Path) -> Any:
    """params.yaml, with its comments, as ruamel.yaml's mapping.

    Raises:
        UserError: It cannot be read, or a section is not a mapping of corpora.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = project / "params.yaml"
    try:
        yaml = YAML()
        yaml.preserve_quotes = True
        content = path.read_bytes()
        check_nesting(content)
        params: Any = yaml.load(content)
    except (OSError, ValueError, RecursionError, YAMLError) as error:
        raise UserError(
            f"{path}: cannot be read as YAML ({error_text(error)}); correct it, or restore it: git checkout params.yaml"
        ) from error
    if not isinstance(params, dict):
        raise UserError(f"{path}: expected a mapping with the sections {', '.join(_SECTIONS)}")
    for name, empty in _SECTIONS.items():
        section = params.setdefault(name, dict(empty))
        if not isinstance(section, Mapping):
            raise UserError(f"{path}: {name}: expected a mapping, found {section!r}")
        if name == "matrix":
            continue
        for key, entry in section.items():
            if not isinstance(key, str):
                raise UserError(f"{path}: {name}: expected a corpus as key, found {key!r}; put it in quotes")
            if not isinstance(entry, Mapping):
                raise UserError(f"{path}: {name}.{key}: expected a mapping, found {entry!r}")
    return params


def save(project: Path, params: Any) -> None:
    """Write params.yaml, keeping its comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    with atomic_path(project / "params.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


@contextmanager
def changing(project: Path) -> Iterator[Any]:
    """params.yaml to change: it is written at the end of the block where it differs, and not after an error.

    Meanwhile other processes that want to change it wait.
    """
    lock = project / ".ambivox" / "params.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=_LOCK_SECONDS):
        params = load(project)
        before = repr(params)
        yield params
        if repr(params) != before:
            save(project, params)
