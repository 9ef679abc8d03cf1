"""What a command says when the Prefect server that it uses goes away: one line, not a traceback of Prefect's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ambivox.flows.pipeline import LockHeldError, StageFailedError
from ambivox.flows.prefect_settings import is_healthy
from ambivox.models.errors import OutageError, UserError


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
        url = os.environ.get("PREFECT_API_URL", "")
        if not _is_outage(error, url):
            raise
        cause = " ".join(str(error).split()) or type(error).__name__
        raise OutageError(
            f"the Prefect server at {url} no longer answers ({cause}); finished stages and stored answers are kept: "
            "start that server again if it is yours (ambivox ui), then run the same command, which resumes"
        ) from error


def _is_outage(error: BaseException, url: str) -> bool:
    """Whether an error, or one that it came from, is a request to the server that failed."""
    import httpx
    from prefect.exceptions import PrefectException

    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.is_server_error
        if isinstance(cause, httpx.TransportError):
            return True
        # Prefect's own errors do not always carry the request's: "Failed to reach API", a crashed run.
        if isinstance(cause, PrefectException | RuntimeError) and not is_healthy(url):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
