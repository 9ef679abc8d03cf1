"""HTTP calls to a server that may be slow, restarting or faulty: retried with back-off until a timeout."""

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
_MAX_WAIT_SECONDS = 5.0
# A request that takes longer hangs: it is cancelled and sent again.
_REQUEST_SECONDS = 120.0
_CONNECT_SECONDS = 5.0
# The client errors (4xx) that are worth a retry.
_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})


class InvalidResponseError(ValueError):
    """A response with status 200 whose content is not what was expected."""


class RetryingClient:
    """JSON over HTTP. Threads may share a client.

    Args:
        url: the server's address.
        key: the API key, sent as a bearer token where not empty.
        server_timeout_seconds: the time without any successful request after which the server is given up.
    """

    def __init__(self, url: str, key: str, server_timeout_seconds: float) -> None:
        self.url = url.rstrip("/")
        self._server_timeout_seconds = server_timeout_seconds
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(_REQUEST_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64),
            trust_env=False,
        )
        self._lock = threading.Lock()
        self._last_success = time.monotonic()
        self.retries = 0

    def call(self, path: str, body: dict[str, Any] | None, parse: Callable[[Any], T]) -> T:
        """Send a request, with retries.

        Args:
            path: the path after the server's address.
            body: the JSON body of a POST request; None sends a GET request.
            parse: turns the JSON response into the result; raises InvalidResponseError where it cannot.

        Returns:
            The result of ``parse``.

        Raises:
            UserError: the server refuses the request, or no request has succeeded for ``server_timeout_seconds``;
                the message holds the last failure.
        """
        # Threads must not retry at the same moment; the seed keeps a run repeatable.
        jitter = random.Random(f"{path}{len(str(body))}{threading.get_ident()}")
        wait = _FIRST_WAIT_SECONDS
        started = time.monotonic()
        while True:
            try:
                response = self._send(path, body)
                if response.status_code == 200:
                    result = parse(_json(response))
                    with self._lock:
                        self._last_success = time.monotonic()
                    return result
                reason = f"status {response.status_code}: {_first_words(response)}"
                if 400 <= response.status_code < 500 and response.status_code not in _TRANSIENT_STATUSES:
                    raise UserError(f"{self.url}{path}: the server refuses the request ({reason})")
            except httpx.TimeoutException:
                reason = "no response in time"
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
            except InvalidResponseError as error:
                reason = f"invalid response: {error}"
            with self._lock:
                self.retries += 1
                idle = time.monotonic() - max(self._last_success, started)
            if idle > self._server_timeout_seconds:
                raise UserError(
                    f"{self.url}{path}: gave up after {idle:.0f} s without a valid response (last: {reason}); stored "
                    "answers are kept, and the same command resumes"
                )
            time.sleep(wait * jitter.uniform(0.5, 1.5))
            wait = min(2 * wait, _MAX_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, path: str, body: dict[str, Any] | None) -> httpx.Response:
        if body is None:
            return self._client.get(self.url + path)
        return self._client.post(self.url + path, json=body)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise InvalidResponseError(f"not JSON: {response.text[:80]!r}") from error


def _first_words(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:200]
