"""A local model folder: its configuration, and the revision that identifies its content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError

# Files that decide an ALM's answers; training curves, pictures and read-mes beside them do not.
_DECIDING = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")
_NOT_DECIDING = frozenset(
    {"curves.json", "metrics.json", "training.json", "trainer_state.json", "profile.json"}
)
_REVISION_DIGITS = 16


def read_config(folder: Path) -> dict[str, Any]:
    """The content of a model folder's config.json.

    Raises:
        UserError: The file is missing, unreadable, or not a JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: not a model folder, its config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object, found {type(config).__name__}")
    return config


def revision_of(folder: Path) -> str:
    """The revision of a model folder: 16 hexadecimal digits of a hash of its weights, configuration and tokenizer.

    The vote store, the annotations and the ledger of annotators all know a local ALM by this value. It depends on
    the names and contents of the deciding files only, not on the folder's name.

    Args:
        folder: A folder with ``*.safetensors`` weights.

    Returns:
        The first 16 digits of a SHA-256.

    Raises:
        UserError: The folder has no weights.
    """
    paths = {path for pattern in _DECIDING for path in folder.glob(pattern) if path.name not in _NOT_DECIDING}
    if not any(path.suffix == ".safetensors" for path in paths):
        raise UserError(f"{folder}: no *.safetensors weights there")
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        with path.open("rb") as file:
            digest.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:_REVISION_DIGITS]
