"""`ambivox run` in the surroundings that users have: proxies, servers that are gone, no git, no home folder."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratch_project import COMMAND, ROOT, ambivox, environment, make_project
from tests.support.small_corpora import write_tone

NOWHERE = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), NOWHERE)


# No hub can be reached, which `run` would say first.
NO_DOWNLOAD = ("--set", "pretrain.tower=statistics")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table that is read, and whose recordings are missing: the first stage ends the run."""
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "utterances.csv").write_text("utterance_id,audio,speaker\na,a.wav,s1\nb,b.wav,s2\n")
    (folder / "votes.csv").write_text("utterance_id,annotator_id,label\na,r1,happy\nb,r1,sad\n")
    return folder


def assert_flow_ran(project: Path, table: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run until the first stage's own mistake, which only comes when everything before it works."""
    done = ambivox(
        project, "run", "--corpus", "table", "--key", "mine", "--root", str(table), *NO_DOWNLOAD, **changed
    )
    assert done.returncode == 2, done.stderr
    # On a busy machine the server takes its time, and that is said.
    said = [
        line for line in done.stdout.splitlines() if not line.startswith("waiting for the Prefect server")
    ]
    assert said == ["── ingest@mine"]
    assert "no" in done.stderr
    assert done.stderr.startswith("ambivox: ingest@mine: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done


@pytest.mark.server
@pytest.mark.parametrize(
    "surrounding",
    ["a proxy, no home and no shell", "another profile and no git", "a damaged database"],
)
def test_a_run_works(tmp_path: Path, table: Path, surrounding: str) -> None:
    project = make_project(tmp_path / "project", with_git="no git" not in surrounding)
    changed: dict[str, str] = {}
    if surrounding == "a proxy, no home and no shell":
        changed = PROXIES | {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "", "SHELL": "/usr/sbin/nologin"}
    if surrounding == "another profile and no git":
        profiles = tmp_path / "home/.prefect/profiles.toml"
        profiles.parent.mkdir(parents=True)
        profiles.write_text(
            f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{NOWHERE}/api"\nPREFECT_API_KEY = "pnu_x"\n'
        )
        changed = {"HOME": str(profiles.parent.parent), "PREFECT_PROFILE": "team"}
    if surrounding == "a damaged database":
        database = project / ".ambivox/prefect/prefect.db"
        database.parent.mkdir(parents=True)
        database.write_bytes(b"not a database, but long enough to look like one" * 400)
        done = ambivox(
            project, "run", "--corpus", "table", "--key", "mine", "--root", str(table), *NO_DOWNLOAD
        )
        assert done.stderr.startswith(f"ambivox: warning: {database.resolve()} was damaged")
        assert len(list(database.parent.glob("prefect.db.damaged-*"))) == 1
    assert_flow_ran(project, table, **changed)


@pytest.fixture
def other_server() -> Iterator[str]:
    """A web server that is no Prefect server."""

    class NotFound(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotFound)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("kind", ["off", "another server", "no address"])
def test_a_server_that_does_not_answer_is_one_line(
    tmp_path: Path, table: Path, other_server: str, kind: str
) -> None:
    url = {"off": f"{NOWHERE}/api", "another server": other_server, "no address": "prefect"}[kind]
    project = make_project(tmp_path / "project")
    started = time.monotonic()
    done = ambivox(
        project,
        "run",
        "--corpus",
        "table",
        "--key",
        "mine",
        "--root",
        str(table),
        *NO_DOWNLOAD,
        PREFECT_API_URL=url,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"ambivox: PREFECT_API_URL={url}: no Prefect API answers there")
    assert "unset PREFECT_API_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert time.monotonic() - started < 60  # seconds on a machine that does nothing else


@pytest.mark.parametrize("module", ["ambivox", "ambivox.flows.cli"])
def test_a_module_is_the_command(tmp_path: Path, module: str) -> None:
    run = [sys.executable, "-m", module]
    results = [
        subprocess.run(
            [*start, "pool", "--help"], cwd=tmp_path, env=environment(), capture_output=True, check=False
        )
        for start in (run, [str(COMMAND)])
    ]
    assert results[0].returncode == results[1].returncode == 0
    assert results[0].stdout == results[1].stdout
    mistake = subprocess.run(
        [*run, "nonsense"], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert mistake.returncode == 2
    assert mistake.stderr.startswith(b"ambivox: ")


def test_a_users_own_packages_do_not_hide_ours(tmp_path: Path) -> None:
    for name in ("models", "tasks", "flows"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(3)")
    path = os.pathsep.join([".", str(ROOT), str(ROOT / "src")])
    done = ambivox(
        tmp_path, "ingest", "--corpus", "crema_d", "--root", "nowhere", "--out", "o", PYTHONPATH=path
    )
    assert done.returncode == 2
    assert "nowhere: no such folder" in done.stderr


def test_version_completion_and_output_flags(tmp_path: Path) -> None:
    assert ambivox(tmp_path, "--version").stdout == "ambivox 0.1.0\n"
    home = tmp_path / "home"
    home.mkdir()
    installed = ambivox(tmp_path, "--install-completion", "--shell", "bash", HOME=str(home))
    assert installed.returncode == 0, installed.stderr
    assert any("ambivox" in path.read_text() for path in home.rglob("*") if path.is_file())


def test_json_is_all_of_standard_output_and_quiet_is_quiet(tmp_path: Path) -> None:
    import json

    root = tmp_path / "table"
    rows = [f"{number}" for number in range(8)]
    for row in rows:
        write_tone(root / f"{row}.wav", 200 + int(row))
    (root / "utterances.csv").write_text(
        "utterance_id,audio,speaker\n" + "".join(f"u{row},{row}.wav,s{int(row) % 4}\n" for row in rows)
    )
    (root / "votes.csv").write_text(
        "utterance_id,annotator_id,label\n"
        + "".join(f"u{row},r{rater},{('happy', 'sad')[rater % 2]}\n" for row in rows for rater in range(3))
    )
    words = ("ingest", "--corpus", "table", "--root", "table", "--out", "out")
    shown = ambivox(tmp_path, *words, "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout) == json.loads((tmp_path / "out/profile.json").read_text())
    assert "utterances" in shown.stderr
    quiet = ambivox(tmp_path, *words, "-q")
    assert (quiet.returncode, quiet.stdout) == (0, "")
    assert ambivox(tmp_path, "run", "--help").stdout.count("--json") == 0
