"""Prefect's server with the reports of the project at ``/reports/<corpus>``, and its pictures at ``/pictures/<hash>.svg``.

``uvicorn --factory ambivox.flows.report_pages:create_app``, with the project's folder in AMBIVOX_PROJECT.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import AsyncFileLock

from ambivox.flows.artifact_pictures import NAME, picture_address, pictures_folder
from ambivox.flows.prefect_settings import prefect_home

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

PROJECT = "AMBIVOX_PROJECT"
_LOCK = "start.lock"
_CORPUS = re.compile(r"[a-z][a-z0-9_]*")
# The page comes from the same address as Prefect's API, and shows text from corpora: it gets no access to the API.
# Its own scripts run (the page's policy names their hashes), but they can reach nothing.
_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; connect-src 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PICTURE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "max-age=31536000, immutable",
}


def report_address(corpus: str) -> str:
    """Where a Prefect server of this project shows a corpus's report, relative to its address."""
    return f"/reports/{corpus}"


def create_app() -> FastAPI:
    """Make Prefect's application, with the reports and the pictures of the project."""
    from prefect.server.api.server import create_app as create_prefect_app
    from starlette.routing import Route

    app = create_prefect_app()
    _start_one_at_a_time(app, prefect_home(Path(os.environ[PROJECT])) / _LOCK)
    # In front of Prefect's own pages, which take every address that nothing else takes.
    app.router.routes.insert(0, Route(report_address("{corpus}"), _report))
    app.router.routes.insert(0, Route(picture_address("{name}"), _picture))
    return app


def _start_one_at_a_time(app: FastAPI, path: Path) -> None:
    """Let this server start only when no other one of the project does: two that make or change tables at once damage them."""
    start = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        lock = AsyncFileLock(path)  # the system releases it where this process is killed
        await lock.acquire()
        try:
            async with start(application) as state:
                await lock.release()
                yield state
        finally:
            await lock.release()

    app.router.lifespan_context = lifespan


async def _report(request: Request) -> Response:
    from prefect.settings import PREFECT_SERVER_API_AUTH_STRING
    from starlette.responses import FileResponse, PlainTextResponse

    from ambivox.flows.server_access import is_authorised

    if not is_authorised(request.headers.get("Authorization"), PREFECT_SERVER_API_AUTH_STRING.value()):
        return PlainTextResponse(
            "A password is needed.", status_code=401, headers={"WWW-Authenticate": 'Basic realm="Ambivox"'}
        )
    corpus = request.path_params["corpus"]
    path = Path(os.environ[PROJECT]) / "data" / corpus / "report.html"
    if not _CORPUS.fullmatch(corpus) or not path.is_file():
        return PlainTextResponse("There is no report of this corpus yet.", status_code=404)
    return FileResponse(path, media_type="text/html", headers=_HEADERS)


async def _picture(request: Request) -> Response:
    from starlette.responses import FileResponse, PlainTextResponse

    name = request.path_params["name"]
    path = pictures_folder(Path(os.environ[PROJECT])) / name
    if not NAME.fullmatch(name) or not path.is_file():
        return PlainTextResponse("There is no such picture.", status_code=404)
    return FileResponse(path, media_type="image/svg+xml", headers=_PICTURE_HEADERS)
