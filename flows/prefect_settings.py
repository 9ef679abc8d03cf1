"""The Prefect settings of a project whose user set none: a database of its own, a server on demand, no analytics.

This module imports nothing of Prefect: Prefect reads its settings from the environment when it is imported.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from ambivox.flows.prefect_user_settings import check_user_settings, drop_empty_variables
from ambivox.flows.server_access import CLIENT_PASSWORD, SERVER_PASSWORD
from ambivox.models.errors import UserError
from ambivox.models.http_environment import check_http_environment

_SERVER_URL_FILE = "server.url"
_THIS_MACHINE = ("127.0.0.1", "localhost")


def prefect_home(project: Path) -> Path:
    """The folder of this project's Prefect database."""
    return project.resolve() / ".ambivox" / "prefect"


def apply_settings(project: Path) -> None:
    """Put Prefect's settings into this process's environment; what the user has set there stays.

    Raises:
        UserError: PREFECT_API_URL names a server that does not answer, Prefect cannot use another setting of the user's,
            or proxies or certificates cannot be used.
    """
    check_http_environment()
    drop_empty_variables()
    prefect_home(project).mkdir(parents=True, exist_ok=True)
    # Requests to servers on this machine must not go through a proxy, which cannot reach them.
    for name in ("NO_PROXY", "no_proxy"):
        excepted = os.environ.get(name) or os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        missing = [host for host in _THIS_MACHINE if host not in excepted.split(",")]
        os.environ[name] = ",".join(filter(None, [excepted, *missing]))
    if "PREFECT_HOME" not in os.environ:
        # A profile is in the user's own Prefect folder; runs of this project are not kept there.
        os.environ.pop("PREFECT_PROFILE", None)
    set_by_user = os.environ.get("PREFECT_API_URL")
    if set_by_user and not is_healthy(set_by_user):
        raise UserError(
            f"PREFECT_API_URL={set_by_user}: no Prefect API answers there, expected one such as http://host:4200/api; "
            "start that server, or unset PREFECT_API_URL for one of this project's own"
        )
    check_user_settings(project)
    os.environ |= missing_settings(project, dict(os.environ))


def missing_settings(project: Path, environment: dict[str, str]) -> dict[str, str]:
    """The settings that Prefect needs and ``environment`` lacks.

    With PREFECT_API_URL set there, that server is used; else a server that ``ambivox ui`` started for this
    project; else one that runs as long as this process. All three show the same runs afterwards.

    Args:
        project: The folder that holds dvc.yaml.
        environment: Environment variables that are set already.

    Returns:
        Names and values to add.
    """
    settings = {
        "PREFECT_HOME": str(prefect_home(project)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # The console shows what a step prints and one line for a failure; Prefect's own lines go to the server.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # Half a minute of retries for each request: a server that is started again is back by then, and one that is gone
        # is said to be gone after two requests.
        "PREFECT_CLIENT_MAX_RETRIES": "4",
    }
    if password := environment.get(SERVER_PASSWORD):
        # The runs of this project reach its server, too.
        settings[CLIENT_PASSWORD] = password
    if "PREFECT_API_URL" not in environment and (url := running_server(project)):
        settings["PREFECT_API_URL"] = url
    return {name: value for name, value in settings.items() if name not in environment}


def running_server(project: Path) -> str | None:
    """The API URL of the server that ``ambivox ui`` started for this project; None where it does not answer."""
    url_file = prefect_home(project) / _SERVER_URL_FILE
    if not url_file.is_file():
        return None
    url = url_file.read_text(encoding="utf-8", errors="replace").strip()
    return url if is_healthy(url) else None


def is_healthy(api_url: str, timeout_seconds: float = 2.0) -> bool:
    """Whether a Prefect server at ``api_url`` (http or https) reports that it is healthy."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api_url.rstrip('/')}/health", timeout=timeout_seconds) as response:  # noqa: S310  (http or https, see above)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def record_server(project: Path, api_url: str) -> Path:
    """Write the API URL of this project's server to a file, for ``running_server``; returns the file."""
    url_file = prefect_home(project) / _SERVER_URL_FILE
    url_file.parent.mkdir(parents=True, exist_ok=True)
    url_file.write_text(api_url + "\n", encoding="utf-8")
    return url_file


def check_project(project: Path) -> Path:
    """Check that ``project`` is an Ambivox project; returns it.

    Raises:
        UserError: dvc.yaml, params.yaml or .dvc is not there.
    """
    missing = [name for name in ("dvc.yaml", "params.yaml", ".dvc") if not (project / name).exists()]
    if missing:
        raise UserError(
            f"{project.resolve()} is not an Ambivox project ({', '.join(missing)} not found); go to the folder that holds dvc.yaml, name it with --project, or make one: ambivox init FOLDER"
        )
    return project
