"""Python's garbage collector, paused while many objects are made of which none can be garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Pause the search for cycles.

    Parsing a large file makes millions of objects, all of which stay, and the search looks at them again and again: half
    of the time of reading a million answers from JSON.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
