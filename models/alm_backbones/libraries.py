"""What must happen before torch is imported. This file does not import it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from ambivox.models.errors import MissingExtraError, UserError


def prepare_libraries(four_bit: bool = False) -> None:
    """Call before torch is imported: says what to install where it, transformers or peft is missing.

    Threads that wait for each other are told to sleep instead of spinning: on a machine that does other things,
    too, spinning makes the small steps of a small model many times slower.

    Args:
        four_bit: whether a model with 4-bit weights will be loaded. peft imports bitsandbytes wherever it finds it, and
            that torch's compiler: more than two seconds in every process, which only those who need it wait for.

    Raises:
        MissingExtraError: naming the first that is.
        UserError: 4-bit weights in a process that was told before that it would need none.
    """
    for library in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
    if four_bit and sys.modules.get("bitsandbytes", sys) is None:
        raise UserError(
            "this process began without 4-bit weights and cannot load any; start another for them"
        )
    if not four_bit and "peft" not in sys.modules:
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
