"""Fine-tuning an ALM to answer with a distribution. Everything below imports torch; this file does not."""

from __future__ import annotations

from importlib.util import find_spec

from models.errors import MissingExtraError


def require_libraries() -> None:
    """Say what to install where torch, transformers or peft is missing.

    Raises:
        MissingExtraError: naming the first that is.
    """
    for library in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
