"""A Prefect server that goes away while a run uses it: one line, and an exit code of its own."""

from __future__ import annotations

import httpx
import pytest
from prefect.exceptions import CrashedRun, ObjectNotFound
from prefect.settings import PREFECT_API_URL

from ambivox.flows.pipeline import LockHeldError, StageFailedError
from ambivox.flows.server_outage import named_outages
from ambivox.models.errors import OutageError, UserError

NOWHERE = "http://127.0.0.1:9/api"
REQUEST = httpx.Request("POST", f"{NOWHERE}/flow_runs/")


def from_another(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadError(""),
        httpx.ReadTimeout("timed out"),
        httpx.RemoteProtocolError("Server disconnected without sending a response.\n"),
        httpx.HTTPStatusError("503", request=REQUEST, response=httpx.Response(503, request=REQUEST)),
        RuntimeError("Failed to reach API at http://127.0.0.1:9/api/."),
        CrashedRun("Flow run encountered an exception"),
        from_another(KeyError("id"), httpx.ConnectError("refused")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_a_server_that_is_gone_are_outages(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    with (
        pytest.raises(OutageError, match=f"{NOWHERE} no longer answers .*are kept") as caught,
        named_outages(),
    ):
        raise error
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "error",
    [
        StageFailedError("pool@demo", 2),
        LockHeldError("locked"),
        UserError("no such corpus"),
        KeyError("nll"),
        httpx.HTTPStatusError("409", request=REQUEST, response=httpx.Response(409, request=REQUEST)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_stay_what_they_are(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    with pytest.raises(type(error)) as caught, named_outages():
        raise error
    assert caught.value is error


@pytest.mark.server
def test_an_error_of_a_server_that_answers_is_a_fault(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    with pytest.raises(ObjectNotFound), named_outages():
        raise ObjectNotFound(KeyError("flow run"))
