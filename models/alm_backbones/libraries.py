"""Setup that must run before torch is imported. This file does not import torch."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from ambivox.models.errors import MissingExtraError, UserError


def prepare_libraries(four_bit: bool = False) -> None:
    """Check that the training libraries are installed and set up the process; call this before importing torch.

    OpenMP threads are made to sleep instead of spinning while they wait. On a machine with other work, spinning makes
    the short steps of a small model many times slower.

    Args:
        four_bit: Whether a model with 4-bit weights will be loaded. peft imports bitsandbytes if it is installed,
            which takes more than two seconds per process; without this option that import is prevented.

    Raises:
        MissingExtraError: A library is not installed; names the first.
        UserError: 4-bit weights were requested after the process was set up without them.
    """
    for library in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
    if four_bit and sys.modules.get("bitsandbytes", sys) is None:
        raise UserError(
            "this process was set up without 4-bit weights and cannot load any; start a new process"
        )
    if not four_bit and "peft" not in sys.modules:
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
