"""HTTP calls to a server that may be slow, restarting, or wrong: retried with back-off until patience runs out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from ambivox.models.errors import UserError

T = TypeVar("T")

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
# A request that takes longer than this is given up and sent again: it hangs.
_REQUEST_SECONDS = 120.0
_CONNECT_SECONDS = 5.0
# Statuses that say "not now"; the other 4xx say "never".
_TRANSIENT = frozenset({408, 409, 425, 429})


class NonsenseError(ValueError):
    """An answer with status 200 that does not hold what it should."""


class RetryingClient:
    """JSON over HTTP, safe to use from many threads.

    Args:
        url: the server's address.
        key: sent as a bearer token where not empty.
        patience_seconds: for how long no request at all may succeed before the server is given up.
    """

    def __init__(self, url: str, key: str, patience_seconds: float) -> None:
        self.url = url.rstrip("/")
        self._patience_seconds = patience_seconds
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(_REQUEST_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64),
            trust_env=False,
        )
        self._lock = threading.Lock()
        self._last_success = time.monotonic()
        self.retries = 0

    def call(self, path: str, body: dict[str, Any] | None, read: Callable[[Any], T]) -> T:
        """POST ``body`` (GET without one) and make sense of the answer with ``read``.

        Raises:
            UserError: the server refuses the request, or nothing has succeeded for ``patience_seconds``;
                the message says what happened last.
        """
        # The waits of many threads must not fall together; the seed keeps a run repeatable.
        jitter = random.Random(f"{path}{len(str(body))}{threading.get_ident()}")
        wait = _FIRST_WAIT_SECONDS
        began = time.monotonic()
        while True:
            reason = ""
            try:
                answer = self._send(path, body)
                if answer.status_code == 200:
                    value = read(_json(answer))
                    with self._lock:
                        self._last_success = time.monotonic()
                    return value
                reason = f"status {answer.status_code}: {_said(answer)}"
                if 400 <= answer.status_code < 500 and answer.status_code not in _TRANSIENT:
                    raise UserError(f"{self.url}{path}: the server refuses the request ({reason})")
            except httpx.TimeoutException:
                reason = "no answer in time"
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
            except NonsenseError as error:
                reason = f"an answer that makes no sense: {error}"
            with self._lock:
                self.retries += 1
                idle = time.monotonic() - max(self._last_success, began)
            if idle > self._patience_seconds:
                raise UserError(
                    f"{self.url}{path}: gave up after {idle:.0f} s without an answer (last: {reason}); what was "
                    "answered is stored, the same command goes on from there"
                )
            time.sleep(wait * jitter.uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, path: str, body: dict[str, Any] | None) -> httpx.Response:
        if body is None:
            return self._client.get(self.url + path)
        return self._client.post(self.url + path, json=body)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise NonsenseError(f"not JSON: {answer.text[:80]!r}") from error


def _said(answer: httpx.Response) -> str:
    return " ".join(answer.text.split())[:200]
