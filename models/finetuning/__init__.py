"""Fine-tuning an ALM to answer with a distribution. Everything below imports torch; this file does not."""

from __future__ import annotations

import os
from importlib.util import find_spec

from models.errors import MissingExtraError


def prepare_libraries() -> None:
    """Call before torch is imported: says what to install where it, transformers or peft is missing.

    Threads that wait for each other are told to sleep instead of spinning: on a machine that does other things,
    too, spinning makes the small steps of a small model many times slower.

    Raises:
        MissingExtraError: naming the first that is.
    """
    for library in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
