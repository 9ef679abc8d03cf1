"""What a command says when the Prefect server that it uses goes away: one line, not a traceback of Prefect's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ambivox.flows.pipeline import LockHeldError, StageFailedError
from ambivox.flows.prefect_settings import is_healthy
from ambivox.models.errors import OutageError, UserError

if TYPE_CHECKING:
    import httpx


@contextlib.contextmanager
def named_outages() -> Iterator[None]:
    """Raise what Prefect raises where its server does not answer as an ``OutageError``.

    Raises:
        OutageError: The server that PREFECT_API_URL names was ended, failed or cannot be reached while the block ran.
    """
    try:
        yield
    except (StageFailedError, LockHeldError, UserError):
        raise
    except Exception as error:
        url = _server_url()
        if not url or not _is_outage(error, url):
            raise
        cause = " ".join(str(error).split()) or type(error).__name__
        raise OutageError(
            f"the Prefect server at {url} no longer answers ({cause}); finished stages and stored answers are kept: "
            "start that server again if it is yours (ambivox ui), then run the same command, which resumes"
        ) from error


def _server_url() -> str:
    """The address that Prefect's client uses; "" for a server inside this process."""
    from prefect.settings import PREFECT_API_URL

    return os.environ.get("PREFECT_API_URL") or str(PREFECT_API_URL.value() or "")


def _is_outage(error: BaseException, url: str) -> bool:
    """Whether an error, or one that it came from, is a request to the server that failed."""
    import httpx
    from prefect.exceptions import PrefectException

    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.is_server_error and _is_sent_to(cause, url)
        if isinstance(cause, httpx.TransportError):
            return _is_sent_to(cause, url)
        # Prefect's own errors do not always carry the request's: "Failed to reach API", a crashed run.
        if isinstance(cause, PrefectException | RuntimeError) and not is_healthy(url):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _is_sent_to(error: httpx.HTTPStatusError | httpx.TransportError, url: str) -> bool:
    """Whether a request that failed was one to the server: flows send requests to model hubs and providers, too."""
    import httpx

    try:
        address = error.request.url
    except RuntimeError:  # it has no request
        return not is_healthy(url)
    server = httpx.URL(url)
    return (address.host, address.port) == (server.host, server.port)
