"""A real Prefect server for the whole session, and small real DVC projects to run flows on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratch_project import init_repository


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server on a database of its own, which every flow of the tests talks to over HTTP."""
    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


TOY = """
stages:
  ingest:
    foreach: ${corpora}
    do:
      cmd: PYTHON writes.py ${item.text} data/${key}/ingest.txt
      deps: [writes.py]
      outs: ["data/${key}/ingest.txt"]
  pool:
    foreach: ${corpora}
    do:
      cmd: PYTHON writes.py data/${key}/ingest.txt data/${key}/pool.txt
      deps: ["data/${key}/ingest.txt"]
      outs: ["data/${key}/pool.txt"]
  validate:
    foreach: ${corpora}
    do:
      cmd: PYTHON writes.py data/${key}/ingest.txt data/${key}/validate.txt
      deps: ["data/${key}/ingest.txt"]
      outs: ["data/${key}/validate.txt"]
"""

# Copies or writes a text, and notes in runs.txt that it ran; the text "mistake" is a user's mistake, and
# "flaky" fails the first time it is met.
WRITES = """
import pathlib, sys
source, out = sys.argv[1:]
path = pathlib.Path(source)
text = path.read_text() if path.is_file() else source
with open("runs.txt", "a") as runs:
    runs.write(out + "\\n")
if text == "mistake":
    sys.exit(2)
if text == "flaky" and open("runs.txt").read().count(out) == 1:
    sys.exit(1)
pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(out).write_text(text)
"""


@pytest.fixture
def toy_project(tmp_path: Path) -> Path:
    """A git repository with a DVC pipeline of three stages over two corpora, a and b."""
    (tmp_path / "dvc.yaml").write_text(TOY.replace("PYTHON", sys.executable))
    (tmp_path / "writes.py").write_text(WRITES)
    (tmp_path / "params.yaml").write_text("corpora:\n  a: {text: one}\n  b: {text: two}\n")
    (tmp_path / ".gitignore").write_text("runs.txt\n.ambivox\n")
    init_repository(tmp_path)
    return tmp_path
