"""Settings of Prefect that a user has made: those that it cannot use are one line before anything is started."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambivox.flows import prefect_user_settings
from ambivox.flows.prefect_settings import apply_settings, is_healthy
from ambivox.models.errors import UserError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's folder, in which the process works, and an environment without settings of Prefect."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def test_a_variable_that_prefect_refuses_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "loud")
    with pytest.raises(
        UserError, match=r"^PREFECT_LOGGING_LEVEL = LOUD: Prefect cannot use this \(.*'DEBUG'"
    ):
        apply_settings(project)


def test_files_that_prefect_refuses_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (project / ".env").write_text("PREFECT_SERVER_API_PORT=high\n")
    with pytest.raises(
        UserError, match=r"the setting .*port in .* = high: Prefect cannot use this"
    ) as raised:
        apply_settings(project)
    assert str(raised.value).startswith(f"{project}: ")
    assert "\n" not in str(raised.value)
    (elsewhere / "prefect.toml").write_text("no toml")
    with pytest.raises(UserError, match=r"^.*/elsewhere: .*prefect.toml: invalid TOML .* or remove the file"):
        apply_settings(project)


@pytest.mark.parametrize("home", ["/proc/nowhere", "file/home"])
def test_a_home_of_prefect_that_cannot_be_written_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (project / "file").touch()
    monkeypatch.setenv("PREFECT_HOME", home)
    with pytest.raises(UserError, match=rf"^PREFECT_HOME={home}: Prefect cannot keep its files there \(.+\)"):
        apply_settings(project)


def test_variables_without_a_value_are_not_settings(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_LOGGING_LEVEL"):
        monkeypatch.setenv(name, "")
    apply_settings(project)
    assert "PREFECT_API_URL" not in os.environ
    assert os.environ["PREFECT_HOME"] == str(project / ".ambivox/prefect")
    assert "PREFECT_LOGGING_LEVEL" not in os.environ


@pytest.mark.parametrize("ending", ["/api", "/api/"])
def test_the_address_of_a_server_may_end_in_a_slash(ending: str) -> None:
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert is_healthy(f"http://127.0.0.1:{server.server_port}{ending}", timeout_seconds=30)


def test_settings_that_prefect_takes_stay(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "prefect.toml").write_text('[logging]\nlevel = "WARNING"\n')
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "7")
    apply_settings(project)
    assert os.environ["PREFECT_CLIENT_MAX_RETRIES"] == "7"


@pytest.mark.parametrize(
    ("content", "has_settings"),
    [
        ('[project]\ndependencies = ["prefect"]\n', False),
        ('[tool.prefect.server]\napi = "x"\n', True),
        ("tool = {prefect = {}}\n", True),
        ("[tool", True),
    ],
)
def test_a_project_that_only_depends_on_prefect_has_no_settings_of_it(
    tmp_path: Path, content: str, has_settings: bool
) -> None:
    """Reading settings takes a second, also of a run with nothing to do."""
    (tmp_path / "pyproject.toml").write_text(content)
    assert prefect_user_settings._has_settings(tmp_path) is has_settings
