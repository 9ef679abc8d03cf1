"""Requests end in time, whatever part of an answer a server sends one byte at a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest

from ambivox.models.engines._bounded_http import SlowResponseError, request
from ambivox.models.http_total_time import total_time, with_total_time
from tests.support.stub_servers import socket_server

_SECONDS = 0.6


def _drip(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Answer with this at once, and then with a byte every 0.1 s."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        while not stop.wait(0.1):
            connection.sendall(b"a")

    return talk


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2"],
    ids=["silence", "header", "body", "after an interim answer"],
)  # fmt: skip
def test_a_dripping_answer_ends_with_the_total_time(start: bytes) -> None:
    with socket_server(_drip(start)) as url, with_total_time(httpx.Client(trust_env=False)) as client:
        began = time.monotonic()
        with pytest.raises(SlowResponseError):
            request(client, url, seconds=_SECONDS)
        assert time.monotonic() - began < 20 * _SECONDS


@pytest.mark.parametrize("package", [httpx, httpx2])
def test_interim_answers_without_end_end_with_the_total_time(package: Any) -> None:
    """There is always something to read, so that no wait takes any time."""

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        while not stop.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with socket_server(talk) as url, with_total_time(package.Client(trust_env=False)) as client:
        began = time.monotonic()
        with total_time(_SECONDS), pytest.raises(package.ReadTimeout):
            client.get(url)
        assert time.monotonic() - began < 20 * _SECONDS


@pytest.mark.parametrize(
    ("package", "timeout"), [(httpx, httpx.TimeoutException), (httpx2, httpx2.TimeoutException)]
)
def test_both_clients_keep_to_it(package: Any, timeout: type[Exception]) -> None:
    with (
        socket_server(_drip(b"HTTP/1.1 200 OK\r\nx: ")) as url,
        with_total_time(package.Client(trust_env=False)) as client,
    ):
        with total_time(_SECONDS), pytest.raises(timeout):
            client.get(url)
        # Without a total time in this thread, each wait is what it was.
        with pytest.raises(timeout):
            client.get(url, timeout=0.01)


def test_a_proxy_that_drips_ends_too() -> None:
    with socket_server(_drip(b"HTTP/1.1 200 OK\r\nx: ")) as proxy:
        client = with_total_time(httpx.Client(proxy=proxy))
        with client, pytest.raises(SlowResponseError):
            request(client, "https://example.invalid/v1/models", seconds=_SECONDS)
