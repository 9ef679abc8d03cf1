"""One policy for calls to servers that may be slow, restarting or faulty: what is retried, how long, and what is said.

The engines for vLLM servers and for hosted ALMs share it; they differ in what they do with a refusal.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from ambivox.models.engines._bounded_http import (
    InvalidResponseError,
    Response,
    SlowResponseError,
    first_words,
)
from ambivox.models.errors import OutageError

T = TypeVar("T")

# A request that takes longer hangs: it is cancelled and sent again.
REQUEST_SECONDS = 120.0
# The client errors (4xx) that are worth a retry, and the server errors (5xx) that are not.
_TRANSIENT_CLIENT_ERRORS = frozenset({408, 409, 425, 429})
_PERMANENT_SERVER_ERRORS = frozenset({501, 505})


class TransientError(RuntimeError):
    """A failure that another attempt may cure.

    Args:
        reason: what happened, in one line.
        wait_seconds: how long the server asks to wait, or None.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


def is_transient(status: int) -> bool:
    """Whether a response with this HTTP status is worth a retry.

    Args:
        status: the status.

    Examples:
        >>> [is_transient(status) for status in (404, 429, 501, 503, 529)]
        [False, True, False, True, True]
    """
    return status in _TRANSIENT_CLIENT_ERRORS or (status >= 500 and status not in _PERMANENT_SERVER_ERRORS)


def failure(response: Response, said: str, key: str) -> str:
    """What a response other than 200 says, in one line, without the key.

    Args:
        response: the response.
        said: its message.
        key: the API key, or "".
    """
    return f"status {response.status}: {first_words(said, key)}"


@dataclass(frozen=True)
class BackOff:
    """The waits between two attempts, in seconds: doubled after each, up to a maximum; threads differ by jitter."""

    first_seconds: float
    max_seconds: float


class Retries:
    """Attempts until one succeeds, or until nothing has succeeded for some time. Threads may share an object.

    Args:
        place: the server's address, for messages.
        key: the API key, which no message shows.
        timeout_seconds: the time without any success after which the server is given up.
        back_off: the waits.
    """

    def __init__(self, place: str, key: str, timeout_seconds: float, back_off: BackOff) -> None:
        self.count = 0
        self._place = place
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._back_off = back_off
        self._lock = threading.Lock()
        self._last_success = time.monotonic()

    def until_success(
        self, attempt: Callable[[], T], path: str = "", before_retry: Callable[[], T | None] = lambda: None
    ) -> T:
        """Make attempts.

        Args:
            attempt: sends a request and returns its result. It raises TransientError where another attempt may help;
                time-outs, broken connections and invalid responses are retried, too.
            path: what follows the server's address in messages.
            before_retry: looks for the result of an attempt whose response was lost; None where there is none. It may
                raise what ``attempt`` may.

        Returns:
            The result of the first attempt that succeeds.

        Raises:
            OutageError: nothing has succeeded within the time-out; the message holds the last failure.
        """
        # Threads must not retry at the same moment; the seed keeps a run repeatable.
        jitter = random.Random(f"{path}{threading.get_ident()}")
        wait, started = self._back_off.first_seconds, time.monotonic()
        is_retry = False
        while True:
            server_wait: float | None = None
            try:
                known = before_retry() if is_retry else None
                result = attempt() if known is None else known
            except TransientError as error:
                reason, server_wait = str(error), error.wait_seconds
            except SlowResponseError as error:
                reason = str(error)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {first_words(str(error), self._key)}"
            except InvalidResponseError as error:
                reason = f"invalid response: {first_words(str(error), self._key)}"
            else:
                with self._lock:
                    self._last_success = time.monotonic()
                return result
            with self._lock:
                self.count += 1
                idle = time.monotonic() - max(self._last_success, started)
            if idle > self._timeout_seconds:
                raise OutageError(
                    f"{self._place}{path}: gave up after {idle:.0f} s without a valid response (last: {reason}); stored "
                    "answers are kept, and the same command resumes"
                )
            # A server may ask for a wait of years; after what is left of the time-out there is one last attempt.
            left = max(self._timeout_seconds - idle, 0.0)
            time.sleep(min(server_wait, left) if server_wait else wait * jitter.uniform(0.5, 1.5))
            wait, is_retry = min(2 * wait, self._back_off.max_seconds), True
