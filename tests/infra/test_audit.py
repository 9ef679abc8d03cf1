"""The audit of the lock asks a database of advisories, and says so where it could not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.audit import LOCK, main

ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "An archive writes outside its folder.",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "polars"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


@pytest.fixture
def osv() -> Iterator[str]:
    """The address of a database that knows one vulnerability of polars."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"vulns": [ADVISORY]} if query["package"]["name"] == "polars" else {}
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def test_the_whole_lock_is_looked_up_and_a_known_vulnerability_is_named(
    osv: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--osv-url", osv]) == 1

    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("polars ")
    assert first.endswith(": PYSEC-2026-1, mended in 99.1")
    # Packages for other platforms and Pythons are left out.
    audited = int(last.split()[0])
    assert audited > 300
    assert last == f"{audited} of {audited} packages audited, 1 known vulnerability"
    assert audited <= len([line for line in LOCK.read_text().splitlines() if "==" in line])


def test_no_known_vulnerability_is_success(
    osv: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lock").write_text("scipy==1.17.0\n")

    assert main(["--lock", str(tmp_path / "lock"), "--osv-url", osv]) == 0
    assert capsys.readouterr().out == "1 of 1 packages audited, 0 known vulnerabilities\n"


def test_a_database_that_does_not_answer_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lock").write_text("scipy==1.17.0\n")

    assert main(["--lock", str(tmp_path / "lock"), "--osv-url", "http://127.0.0.1:9/v1/query"]) == 2
    assert "cannot be asked" in capsys.readouterr().out
