"""Errors that the user can fix: shown as one line, exit code 2, no traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any, Literal

# What a step does with an item that it cannot use. "reject": write it to rejects.parquet with a reason, and show the
# count. "stop": raise an error. Every step has the same choice and the same default, "reject".
OnError = Literal["reject", "stop"]
# The exit code of a command after an OutageError: EX_UNAVAILABLE of sysexits.h.
UNAVAILABLE = 69


class UserError(ValueError):
    r"""A mistake that the user can fix. The message is one line: what was found, what was expected, what to do.

    Names, values and libraries' own messages in it may hold line ends and terminal codes; spaces take their place.

    Example:
        >>> str(UserError("a\x1b[2Jb.csv: no table"))
        'a [2Jb.csv: no table'
    """

    def __init__(self, message: str) -> None:
        """Take the ``message``."""
        super().__init__(message if message.isprintable() else _one_line(message))

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled, for another process, with the attributes: some kinds of errors take more than a message."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[UserError], args: tuple[Any, ...], attributes: dict[str, Any]) -> UserError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def first_line(error: BaseException) -> str:
    r"""The first line of what an error says, or the name of its kind where it says nothing.

    Args:
        error: Any exception.

    Example:
        >>> first_line(RuntimeError("no header\nat byte 0")), first_line(KeyboardInterrupt())
        ('no header', 'KeyboardInterrupt')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class OutageError(UserError):
    """Something outside this program failed and may work again by itself: a server, a bucket, an engine's process.

    The command ends with an exit code of its own, and the pipeline tries its stage again.
    """


class AddressSpaceError(UserError):
    """The memory that this process may have is too little for the libraries. The exit code is that of full memory."""


class LeftOutError(UserError):
    """The corpus or the ALM rules a step out. The pipeline leaves the step out, and the report says why."""


class TooLittleDataError(LeftOutError):
    """The corpus has too little data for a step."""


class MissingExtraError(UserError):
    """A library that an optional extra installs is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        """Name the ``library`` and the ``extra`` of this package that installs it."""
        super().__init__(f"{library} is not installed; run: pip install 'ambivox[{extra}]'")


def memory_is_full(error: BaseException) -> bool:
    """Tell whether an error says that there is not enough memory, of this machine or of its GPU.

    Args:
        error: Any exception.

    Returns:
        True for Python's and NumPy's MemoryError, the system's ENOMEM, a library that cannot be mapped, and torch's
        errors of its allocators.

    Example:
        >>> memory_is_full(MemoryError()), memory_is_full(ValueError("labels"))
        (True, False)
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if isinstance(error, ImportError | OSError) and "failed to map segment" in str(error):
        return True
    # torch is not imported for this. Its allocator for CPUs raises a RuntimeError.
    is_torch_error = type(error).__name__ == "OutOfMemoryError"
    return is_torch_error or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Make the error for a name that is not one of the known names.

    Args:
        kind: What the name should be, such as "corpus".
        name: The name that was given.
        known: The names there are; the message lists them in alphabetical order.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> str(unknown("corpus", "ravdess", ["table", "demo"]))
        "unknown corpus 'ravdess'; known: demo, table"
        >>> str(unknown("corpus", "ravdess", []))
        "unknown corpus 'ravdess'; there are none yet"
    """
    names = ", ".join(sorted(known))
    return UserError(f"unknown {kind} {name!r}; " + (f"known: {names}" if names else "there are none yet"))
