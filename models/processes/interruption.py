"""SIGINT (Ctrl-C), SIGTERM and SIGHUP: they end a command within seconds, with one line, and nothing keeps running.

Python runs signal handlers between two instructions of the main thread, which may be inside a library for minutes. So
the signal also wakes a thread of its own, which ends the process when the main thread does not do so in time. (Code in C
that keeps the interpreter's lock, which long computations do not, keeps this thread waiting, too.)

This module is the first that a command imports, and imports little itself, so that Ctrl-C works while the rest is loaded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# The time that an orderly end has. A user is promised five seconds in all.
_GRACE_SECONDS = 2.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MESSAGE = "ambivox: {}; the same command resumes"

_endings: list[Callable[[], None]] = []
_is_command = threading.Event()
_received: list[int] = []
_is_ended_elsewhere = threading.Event()
# Whoever holds it has written the line.
_line = threading.Lock()


class InterruptedBySignalError(KeyboardInterrupt):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def ended_by(ending: Callable[[], None]) -> Iterator[None]:
    """While the block runs, a signal calls ``ending`` in another thread and then ends the process at once.

    For commands that only wait for others: their main thread is not interrupted, and cleans up nothing.

    Args:
        ending: Ends what the command waits for, within two seconds.
    """
    _endings.append(ending)
    try:
        yield
    finally:
        _endings.remove(ending)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """While the block runs, a signal raises ``InterruptedBySignalError`` in it, and ends the process soon after.

    From the signal on, the process writes nothing more to its terminal than one line. The line is left out in a process
    that was started by another command, which writes its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in _SIGNALS if _is_handled(number)]
    before = {number: signal.signal(number, _raise) for number in numbers}
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    earlier_descriptor = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    _is_command.set()
    threading.Thread(target=_wait_for_signal, args=(read_end,), name="signals", daemon=True).start()
    try:
        yield
    finally:
        _is_command.clear()
        signal.set_wakeup_fd(earlier_descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(write_end)


def end_stuck_command(message: str, code: int) -> None:
    """End a command whose main thread is inside a library that does not return; does nothing outside ``interruptible``.

    Args:
        message: One line for the user.
        code: The exit code.
    """
    if _is_command.is_set() and _line.acquire(blocking=False):
        with contextlib.suppress(OSError):
            os.write(2, f"ambivox: {message}\n".encode())
        _silence()
        _end_with(code)


def _is_handled(number: int) -> bool:
    """Whether a signal ends this process: SIGHUP does not under nohup."""
    return number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN


def _raise(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if _endings:
        _is_ended_elsewhere.set()
    else:
        raise InterruptedBySignalError(number)


def _wait_for_signal(read_end: int) -> None:
    """Until the write end is closed: at the first of our signals, end this process."""
    with open(read_end, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] in _SIGNALS:
                break
        else:
            return
        if _endings:
            _is_ended_elsewhere.set()
        _received.append(number[0])
        _write_last_line(number[0])
        again = threading.Thread(target=_end_at_next, args=(pipe.fileno(), number[0]), daemon=True)
        again.start()
        if _is_ended_elsewhere.is_set():
            for ending in reversed(_endings):
                with contextlib.suppress(Exception):
                    ending()
        else:
            again.join(_GRACE_SECONDS)
        _end_now(number[0])


def _end_at_next(descriptor: int, number: int) -> None:
    """At a second signal, end at once; at the end of the pipe, nothing: the main thread is leaving in order."""
    if os.read(descriptor, 1):
        _end_now(number)
    else:
        threading.Event().wait()


def _end_now(number: int) -> None:
    _end_with(128 + number)


def _end_with(code: int) -> None:
    from ambivox.models.processes.children import end_children

    end_children(grace_seconds=1.0)
    os._exit(code)


def code_after_signal(code: int) -> int:
    """The exit code of this process: 128 and the signal's number where there was one, else ``code``.

    A library may turn the interruption into an error of its own. Where another thread is ending the process (``ended_by``),
    this does not return.
    """
    if not _received:
        return code
    if _is_ended_elsewhere.is_set():
        threading.Event().wait()
    return 128 + _received[0]


def exit_code(interruption: KeyboardInterrupt) -> int:
    """Write the line about the signal, if it is not written yet; returns 128 and the signal's number, as shells count."""
    number = interruption.number if isinstance(interruption, InterruptedBySignalError) else signal.SIGINT
    _write_last_line(number)
    return 128 + number


def _write_last_line(number: int) -> None:
    """Write the line about the signal once; nothing is written after it."""
    if not _line.acquire(blocking=False):
        return
    from ambivox.models.processes.children import is_started_by_another

    if not is_started_by_another():
        reason = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        with contextlib.suppress(OSError):
            os.write(2, f"{MESSAGE.format(reason)}\n".encode())
    _silence()


def _silence() -> None:
    """Send whatever libraries still write to nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (sys.stdout.fileno(), sys.stderr.fileno(), 1, 2):
            os.dup2(nowhere, descriptor)
