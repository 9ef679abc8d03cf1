"""The Prefect that a project uses when nobody set one: its own database, started on demand, silent to the outside.

Importing this module imports nothing of Prefect: its settings must be in the environment before that.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from ambivox.models.errors import UserError

UI_HOST, UI_PORT = "127.0.0.1", 4200
_SERVER_URL = "server.url"


def home(project: Path) -> Path:
    """Where this project's Prefect keeps its database."""
    return project.resolve() / ".ambivox" / "prefect"


def prepare(project: Path) -> None:
    """Put Prefect's settings into this process's environment, keeping whatever the user has set there."""
    home(project).mkdir(parents=True, exist_ok=True)
    os.environ |= settings(project, dict(os.environ))


def settings(project: Path, environment: dict[str, str]) -> dict[str, str]:
    """What Prefect needs beyond ``environment``.

    With PREFECT_API_URL set there, that server is used. Else, a server that ``ambivox ui`` started for this
    project; else one that lives as long as this process. All three show the same runs afterwards.
    """
    wanted = {
        "PREFECT_HOME": str(home(project)),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # What a step prints is the console's; Prefect's own lines go to the server.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    if "PREFECT_API_URL" not in environment and (url := running(project)):
        wanted["PREFECT_API_URL"] = url
    return {name: value for name, value in wanted.items() if name not in environment}


def running(project: Path) -> str | None:
    """The API address of the server that ``ambivox ui`` started for this project, if it answers."""
    note = home(project) / _SERVER_URL
    if not note.is_file():
        return None
    url = note.read_text(encoding="utf-8").strip()
    return url if answers(url) else None


def answers(api_url: str, timeout_seconds: float = 2.0) -> bool:
    """Whether a Prefect server says that it is well at ``api_url`` (http or https)."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=timeout_seconds) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def remember(project: Path, api_url: str) -> Path:
    """Note the address of this project's server, for ``running``."""
    note = home(project) / _SERVER_URL
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(api_url + "\n", encoding="utf-8")
    return note


def project_here(project: Path) -> Path:
    """``project`` itself, checked to be one.

    Raises:
        UserError: no dvc.yaml and params.yaml are there.
    """
    lacking = [name for name in ("dvc.yaml", "params.yaml", ".dvc") if not (project / name).exists()]
    if lacking:
        raise UserError(
            f"{project.resolve()} is not an Ambivox project ({', '.join(lacking)} not found); go to the folder that holds dvc.yaml, or name it with --project"
        )
    return project
