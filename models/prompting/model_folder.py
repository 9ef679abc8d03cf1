"""A local model folder: its configuration, and the revision that identifies its content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError

# What decides an ALM's answers; curves, pictures and read-mes beside them do not.
_DECIDING = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")
_NOT_DECIDING = frozenset(
    {"curves.json", "metrics.json", "training.json", "trainer_state.json", "profile.json"}
)


def read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: not a model folder, its config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{folder / 'config.json'}: expected a JSON object, found {type(config).__name__}")
    return config


def revision_of(folder: Path) -> str:
    """The hash of a model folder's weights, configuration, tokenizer and template (16 hexadecimal digits).

    Raises:
        UserError: there are no weights in it.
    """
    files = sorted(
        {f for pattern in _DECIDING for f in folder.glob(pattern) if f.name not in _NOT_DECIDING},
        key=lambda file: file.name,
    )
    if not any(file.suffix == ".safetensors" for file in files):
        raise UserError(f"{folder}: no *.safetensors weights there")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(f"{file.name}:{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
