"""Prefect settings that a user, a team or another project has made: variables, .env, prefect.toml and pyproject.toml.

Prefect reads all of them when it is imported, in the working folder. One that it cannot use ends in a traceback there, and
in a server that does not start.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from ambivox.models.errors import UserError

_FILES = (".env", "prefect.toml", "pyproject.toml")
_CHECKED = ("PREFECT_API_URL", "PREFECT_HOME")
_REFUSED = 3  # exit code
_READ = f"""
import contextlib, io, json, sys
from pydantic import ValidationError
from pydantic_settings import SettingsError
try:
    with contextlib.redirect_stderr(io.StringIO()):
        from prefect.settings import Settings
        Settings()
except ValidationError as error:
    fault = error.errors()[0]
    print(json.dumps([".".join(map(str, fault["loc"])), str(fault["input"]), fault["msg"]]))
    sys.exit({_REFUSED})
except SettingsError as error:
    print(json.dumps(["", "", str(error)]))
    sys.exit({_REFUSED})
"""


def drop_empty_variables() -> None:
    """Take variables without a value out of the environment, as compose files leave them; Prefect would read them."""
    for name in [name for name, value in os.environ.items() if name.startswith("PREFECT_") and not value]:
        del os.environ[name]


def check_user_settings(project: Path) -> None:
    """Check that Prefect can use the settings that are there.

    Args:
        project: The folder that holds dvc.yaml, in which the server runs.

    Raises:
        UserError: A setting has a value that Prefect refuses, a file is no TOML, or PREFECT_HOME cannot be written.
    """
    if home := os.environ.get("PREFECT_HOME"):
        _check_home(Path(home).expanduser())
    has_variables = any(name.startswith("PREFECT_") and name not in _CHECKED for name in os.environ)
    for folder in dict.fromkeys((Path.cwd(), project.resolve())):
        if has_variables or _has_settings(folder):
            _read_settings(folder)


def _check_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(home, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        raise UserError(
            f"PREFECT_HOME={home}: Prefect cannot keep its files there ({problem}); name a folder that can be written, or unset "
            "PREFECT_HOME to keep them in the project"
        )


def _has_settings(folder: Path) -> bool:
    """Whether Prefect would find settings in a folder: reading them takes a second."""
    if (folder / "prefect.toml").exists():
        return True
    with contextlib.suppress(OSError):
        if b"prefect" in (folder / ".env").read_bytes().lower():
            return True
    try:
        tools = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    except OSError:
        return False
    except (ValueError, RecursionError):
        return True  # Prefect says what is wrong with it
    return not isinstance(tools, dict) or "prefect" in tools


def _read_settings(folder: Path) -> None:
    """Read them as Prefect does, in another process: this one imports Prefect when all settings are made."""
    command = [sys.executable, "-P", "-c", _READ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == _REFUSED:
        setting, value, reason = json.loads(done.stdout.splitlines()[-1])
        raise UserError(_describe(folder, setting, value, reason))


def _describe(folder: Path, setting: str, value: str, reason: str) -> str:
    """The setting, its value, and what Prefect says about it."""
    if not setting:
        return f"{folder}: {' '.join(reason.split())}; correct or remove the file"
    variables = [
        name
        for name, text in os.environ.items()
        if name.startswith("PREFECT_") and text.casefold() == value.casefold()
    ]
    where = variables[0] if variables else f"{folder}: the setting {setting} in {', '.join(_FILES)}"
    return f"{where} = {value}: Prefect cannot use this ({reason}); correct or remove it"
