"""A local model folder: where it is, its configuration, and the revision that identifies its content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from ambivox.models.errors import UserError
from ambivox.models.hashes import file_sha256
from ambivox.models.json_documents import read_json_document
from ambivox.models.prompting.model_files import (
    TEMPLATE_FOLDER,
    check_all_regular,
    check_no_adapter,
    check_no_pointers,
    missing_config,
)

# Files that decide an ALM's answers: weights, configuration, vocabulary, chat templates.
_DECIDING_SUFFIXES = frozenset(
    {
        ".safetensors",
        ".json",
        ".jinja",
        ".model",
        ".txt",
        ".tiktoken",
        ".spm",
        ".vocab",
        ".bpe",
        ".codes",
        ".v3",
        ".v7",
    }
)
# Training curves, licences and lists of requirements beside them do not.
_NOT_DECIDING = frozenset(
    {
        "curves.json",
        "metrics.json",
        "training.json",
        "trainer_state.json",
        "profile.json",
        "all_results.json",
        "train_results.json",
        "eval_results.json",
        "requirements.txt",
    }
)
_NOT_DECIDING_STEMS = ("license", "licence", "notice", "readme")
_REVISION_DIGITS = 16
_SNAPSHOTS = "snapshots"


class ModelConfig(BaseModel):
    """The parts of config.json that decide which ALM a folder is, and whether it can be loaded.

    Attributes:
        architectures: The names of the classes in transformers.
        ambivox_alm: The key in models/alms/, which the embedded ALM's own folders state.
        quantization_config: How the weights are quantised.
    """

    model_config = ConfigDict(extra="ignore")
    architectures: list[str] = Field(default_factory=list)
    ambivox_alm: str | None = None
    quantization_config: dict[str, Any] | None = None

    @field_validator("architectures", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return [] if value is None else value

    @property
    def quantisation(self) -> str | None:
        """The method of quantisation, in lower case, or None."""
        method = (self.quantization_config or {}).get("quant_method")
        return str(method).lower() if method is not None else None


_CONFIG = TypeAdapter(ModelConfig)


def find_model(folder: Path) -> Path:
    """The model folder itself, where a folder around it was given.

    The cache of a model hub keeps a model in ``models--OWNER--NAME/snapshots/COMMIT``; the commit that ``refs/main``
    names is taken, or the only one.

    Args:
        folder: A folder.

    Returns:
        The folder with config.json; ``folder`` itself where no other is certain.

    Raises:
        UserError: Several folders below it hold a model.
    """
    if (folder / "config.json").exists() or not folder.is_dir():
        return folder
    snapshots = sorted(path.parent for path in folder.glob(f"{_SNAPSHOTS}/*/config.json"))
    reference = folder / "refs" / "main"
    if snapshots and reference.is_file():
        commit = reference.read_text(encoding="utf-8", errors="replace").strip()
        snapshots = [path for path in snapshots if path.name == commit] or snapshots
    if len(snapshots) == 1:
        return snapshots[0]
    below = snapshots or sorted(path.parent for path in folder.glob("*/config.json"))
    if below:
        names = ", ".join(str(path.relative_to(folder)) for path in below[:5])
        raise UserError(
            f"{folder}: not a model folder, but {len(below)} below it may be: {names}; pass one of them"
        )
    return folder


def read_config(folder: Path) -> ModelConfig:
    """The parts of a model folder's config.json that matter here.

    Args:
        folder: A model folder; see ``find_model``.

    Returns:
        The configuration.

    Raises:
        UserError: The folder is an adapter, a clone without the content of its files, or config.json is missing or
            damaged.
    """
    check_all_regular(folder)
    check_no_adapter(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise missing_config(folder)
    check_no_pointers(folder)
    return read_json_document(path, _CONFIG, "the configuration of a model")


def revision_of(folder: Path) -> str:
    """The revision of a model folder: 16 hexadecimal digits of a hash of its weights, configuration and vocabulary.

    The vote store, the annotations and the ledger of annotators all know a local ALM by this value. It depends on
    the names and contents of the deciding files only, not on the folder's name.

    Args:
        folder: A folder with ``*.safetensors`` weights.

    Returns:
        The first 16 digits of a SHA-256.

    Raises:
        UserError: The folder has no weights, or a file in it cannot be read.
    """
    check_all_regular(folder)
    places = [*folder.iterdir(), *(folder / TEMPLATE_FOLDER).glob("*.jinja")]
    paths = {path.relative_to(folder).as_posix(): path for path in places if _decides(path)}
    if not any(path.suffix == ".safetensors" for path in paths.values()):
        raise UserError(f"{folder}: no *.safetensors weights there")
    digest = hashlib.sha256()
    for name in sorted(paths):
        try:
            status = paths[name].stat()
            content = _file_sha256(str(paths[name].resolve()), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise UserError(f"{paths[name]}: cannot be read ({error.strerror or error})") from error
        digest.update(f"{name}:{content}\n".encode())
    return digest.hexdigest()[:_REVISION_DIGITS]


def _decides(path: Path) -> bool:
    name = path.name.lower()
    return (
        path.suffix.lower() in _DECIDING_SUFFIXES
        and name not in _NOT_DECIDING
        and not name.startswith(_NOT_DECIDING_STEMS)
        and not path.is_dir()
    )


@lru_cache(maxsize=4096)
def _file_sha256(path: str, size: int, modified_ns: int) -> str:  # noqa: ARG001 - a changed file is read again
    """The hash of a file, remembered for this process: weights of many gigabytes are read once."""
    return file_sha256(Path(path))
