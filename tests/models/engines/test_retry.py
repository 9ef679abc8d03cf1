"""The engines for vLLM servers and for hosted ALMs classify failures alike, and give up after the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from ambivox.models.engines import _retrying_client
from ambivox.models.engines._retry import BackOff, Retries, TransientError
from ambivox.models.engines._retrying_client import RetryingClient
from ambivox.models.engines.hosted import api
from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import Hosted
from tests.support.hosted_server import HostedServer

BODY = {
    "model": "m",
    "messages": [{"content": [{"type": "text", "text": "Options: A anger, B joy. Answer."}]}],
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedServer]:
    for module in (_retrying_client, api):
        monkeypatch.setattr(module, "_BACK_OFF", BackOff(0.01, 0.02))
    running = HostedServer()
    yield running
    running.close()


@pytest.fixture(params=["server", "hosted"])
def call(request: pytest.FixtureRequest, server: HostedServer) -> Callable[[], object]:
    if request.param == "server":
        client = RetryingClient(server.url, "", 5.0)
        return lambda: client.call("/chat/completions", BODY, lambda response: response["choices"])
    hosted = api.Api(Hosted("somebody", server.url, "m", "KEY"), "a-key", 5.0)
    return lambda: hosted.ask(BODY, 1)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 529, 599])
def test_passing_failures_are_retried(status: int, call: Callable[[], object], server: HostedServer) -> None:
    server.faults = [str(status), str(status), ""]
    assert call()
    assert len(server.bodies) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 501, 505])
def test_lasting_failures_end_at_once(status: int, call: Callable[[], object], server: HostedServer) -> None:
    server.faults = [str(status), ""]
    with pytest.raises(UserError, match=f"status {status}"):
        call()
    assert len(server.bodies) == 1


def test_the_wait_that_a_server_asks_for_is_kept_and_nothing_is_waited_for_for_ever() -> None:
    retries = Retries("http://host", "secret", 0.3, BackOff(0.01, 0.02))
    started, attempts = time.monotonic(), iter([TransientError("busy", 0.2), None])

    def attempt() -> str:
        if (failure := next(attempts)) is not None:
            raise failure
        return "done"

    assert retries.until_success(attempt) == "done"
    assert time.monotonic() - started >= 0.2 and retries.count == 1

    def never() -> str:
        raise TransientError("the key *** is busy")

    with pytest.raises(UserError, match=r"http://host/x: gave up after .* \(last: the key \*\*\* is busy\)"):
        retries.until_success(never, "/x")


def test_a_wait_that_a_server_asks_for_ends_with_the_time_out() -> None:
    retries, started = Retries("http://host", "", 0.3, BackOff(0.01, 0.02)), time.monotonic()
    attempts: list[float] = []

    def busy() -> str:
        attempts.append(time.monotonic() - started)
        raise TransientError("busy", 1e12)

    with pytest.raises(UserError, match="gave up after"):
        retries.until_success(busy)
    assert len(attempts) == 2 and 0.2 < attempts[-1] < 5
