"""HTTP calls to a server that may be slow, restarting or faulty: retried with back-off until a timeout."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from ambivox.models.engines._bounded_http import (
    CONNECT_SECONDS,
    InvalidResponseError,
    Response,
    SlowResponseError,
    first_words,
    request,
    shown_address,
)
from ambivox.models.errors import OutageError, UserError

T = TypeVar("T")

_FIRST_WAIT_SECONDS = 0.2
_MAX_WAIT_SECONDS = 5.0
# A request that takes longer hangs: it is cancelled and sent again.
_REQUEST_SECONDS = 120.0
# The client errors (4xx) that are worth a retry.
_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})


class RetryingClient:
    """JSON over HTTP. Threads may share a client.

    Args:
        url: the server's address.
        key: the API key, sent as a bearer token where not empty.
        server_timeout_seconds: the time without any successful request after which the server is given up.
    """

    def __init__(self, url: str, key: str, server_timeout_seconds: float) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._server_timeout_seconds = server_timeout_seconds
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
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
        place = shown_address(self.url) + path
        while True:
            try:
                response = self._send(path, body)
                if response.status == 200:
                    result = parse(response.json())
                    with self._lock:
                        self._last_success = time.monotonic()
                    return result
                reason = f"status {response.status}: {first_words(response.text, self._key)}"
                if 300 <= response.status < 500 and response.status not in _TRANSIENT_STATUSES:
                    raise UserError(f"{place}: the server refuses the request ({reason})")
            except SlowResponseError as error:
                reason = str(error)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {first_words(str(error), self._key)}"
            except InvalidResponseError as error:
                reason = f"invalid response: {first_words(str(error), self._key)}"
            with self._lock:
                self.retries += 1
                idle = time.monotonic() - max(self._last_success, started)
            if idle > self._server_timeout_seconds:
                raise OutageError(
                    f"{place}: gave up after {idle:.0f} s without a valid response (last: {reason}); stored "
                    "answers are kept, and the same command resumes"
                )
            time.sleep(wait * jitter.uniform(0.5, 1.5))
            wait = min(2 * wait, _MAX_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, path: str, body: dict[str, Any] | None) -> Response:
        # Silence is noticed within the time after which the server is given up.
        seconds = min(_REQUEST_SECONDS, max(CONNECT_SECONDS, self._server_timeout_seconds))
        return request(self._client, self.url + path, body, seconds=seconds)
