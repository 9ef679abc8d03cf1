"""JSON over HTTP to a server that may be slow, restarting or faulty: retried with back-off until a timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from ambivox.models.engines._bounded_http import CONNECT_SECONDS, Response, request, shown_address
from ambivox.models.engines._retry import (
    REQUEST_SECONDS,
    BackOff,
    Retries,
    TransientError,
    failure,
    is_transient,
)
from ambivox.models.errors import UserError
from ambivox.models.http_total_time import client_with_key

T = TypeVar("T")

_BACK_OFF = BackOff(0.2, 5.0)


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
        self._client = client_with_key(key, limits=httpx.Limits(max_connections=64), trust_env=False)
        self._retries = Retries(shown_address(self.url), key, server_timeout_seconds, _BACK_OFF)

    @property
    def retries(self) -> int:
        """How many attempts have failed so far."""
        return self._retries.count

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

        def attempt() -> T:
            response = self._send(path, body)
            if response.status == 200:
                return parse(response.json())
            reason = failure(response, response.text, self._key)
            if is_transient(response.status):
                raise TransientError(reason)
            raise UserError(f"{shown_address(self.url)}{path}: the server refuses the request ({reason})")

        return self._retries.until_success(attempt, path)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, path: str, body: dict[str, Any] | None) -> Response:
        # Silence is noticed within the time after which the server is given up.
        seconds = min(REQUEST_SECONDS, max(CONNECT_SECONDS, self._server_timeout_seconds))
        return request(self._client, self.url + path, body, seconds=seconds)
