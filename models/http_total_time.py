"""A total time for HTTP requests: also for a header that is sent one byte at a time.

The time-outs of httpx and httpx2 are waits for the next bytes, and neither offers a total. Here every wait of a thread's
request ends when its total time does.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import httpx

_thread = threading.local()
#: The header field of a request whose answer must not be compressed: httpx would open it to any size at once.
NOT_COMPRESSED = {"Accept-Encoding": "identity"}


class _HasTransports(Protocol):
    _transport: Any
    _mounts: Any


Client = TypeVar("Client", bound=_HasTransports)


@contextmanager
def total_time(seconds: float) -> Iterator[None]:
    """Bound the requests that this thread sends in the block.

    Args:
        seconds: What all of them may take together. After it, a request raises the client's own time-out error.
    """
    before = getattr(_thread, "deadline", None)
    _thread.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.deadline = before


def with_total_time(client: Client) -> Client:
    """Have a client of httpx or httpx2 keep to ``total_time``.

    Args:
        client: A client that has sent nothing yet.

    Returns:
        The same client.
    """
    for transport in (client._transport, *client._mounts.values()):
        # Neither package has an option for it. A mock of a transport has no connections.
        if (pool := getattr(transport, "_pool", None)) is not None:
            pool._network_backend = _Backend(pool._network_backend)
    return client


def client_with_key(key: str, **options: Any) -> httpx.Client:
    """A client that sends a key with every request, and keeps to ``total_time``.

    Args:
        key: What is sent as a bearer token; empty: none.
        options: Further options of httpx.Client.
    """
    import httpx

    return with_total_time(httpx.Client(headers={"Authorization": f"Bearer {key}"} if key else {}, **options))


def compression(headers: Mapping[str, str]) -> str:
    """How the body of an answer is compressed; "" where it is not.

    Args:
        headers: of the answer, as httpx and httpx2 give them, or with lower-case names.

    Examples:
        >>> compression({"content-encoding": "gzip, gzip"}), compression({"content-encoding": "Identity"}), compression({})
        ('gzip, gzip', '', '')
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


class _Backend:
    """Makes connections, as httpcore's NetworkBackend does."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(
            self._backend.connect_tcp(
                *args, timeout=_left(timeout, self._backend, "ConnectTimeout"), **options
            )
        )

    def connect_unix_socket(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(
            self._backend.connect_unix_socket(
                *args, timeout=_left(timeout, self._backend, "ConnectTimeout"), **options
            )
        )

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """A connection, as httpcore's NetworkStream is one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.close: Callable[[], None] = stream.close
        self.get_extra_info: Callable[[str], Any] = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return bytes(self._stream.read(max_bytes, timeout=_left(timeout, self._stream, "ReadTimeout")))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=_left(timeout, self._stream, "WriteTimeout"))

    def start_tls(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(
            self._stream.start_tls(*args, timeout=_left(timeout, self._stream, "ConnectTimeout"), **options)
        )


def _left(timeout: float | None, waited_for: object, error: str) -> float | None:
    """A wait's time-out that ends with the total time.

    Args:
        timeout: of the wait alone.
        waited_for: the object of httpcore or httpcore2 that waits.
        error: the name of the time-out error that its package raises for such a wait.
    """
    deadline: float | None = getattr(_thread, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:  # however short, a wait would succeed for ever where bytes are there already
        package = sys.modules[type(waited_for).__module__.partition(".")[0]]
        raise getattr(package, error)("the total time is over")
    return left if timeout is None else min(timeout, left)
