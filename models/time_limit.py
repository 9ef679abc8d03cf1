"""A limit on the time that code from elsewhere may take, such as the chat template of a downloaded model."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How long a call into a library may take to return once it was interrupted.
_RETURN_SECONDS = 60.0
# An interruption is delivered between two instructions of Python, which is within microseconds.
_DELIVERY_SECONDS = 0.001


class TimeLimitError(Exception):
    """Code took longer than it may."""


def within(seconds: float, function: Callable[[], T], on_stuck: Callable[[], None] | None = None) -> T:
    """Call a function, and interrupt it where it takes too long.

    This works in every thread, where signals reach the main thread only. The function is interrupted between two
    instructions of Python; a single call into a library that takes for ever is not: see ``on_stuck``.

    Args:
        seconds: How long it may take.
        function: What to call.
        on_stuck: Is called in another thread where the function does not return within a minute of its interruption.

    Returns:
        Its result.

    Raises:
        TimeLimitError: It took longer.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    is_over, is_interrupted = threading.Event(), threading.Event()

    def interrupt() -> None:
        with lock:
            if not is_over.is_set():
                is_interrupted.set()
                error = ctypes.py_object(TimeLimitError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)
        if on_stuck is not None and not is_over.wait(_RETURN_SECONDS):
            on_stuck()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        result = function()
        with lock:
            is_over.set()
        if is_interrupted.is_set():
            # It ended at the last moment: the interruption arrives here, and not in the code after this call.
            while True:
                time.sleep(_DELIVERY_SECONDS)
        return result
    except TimeLimitError:
        raise TimeLimitError(f"not done after {seconds:g} s") from None
    finally:
        is_over.set()
        timer.cancel()
