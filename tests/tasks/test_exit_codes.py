"""How a command ends where something outside it fails: one line, and an exit code that tells an outage from a mistake."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from ambivox.flows.cli import build
from ambivox.flows.pipeline import LockHeldError, StageFailedError
from ambivox.flows.reproduce import _is_transient
from ambivox.models.audio.probing import probe
from ambivox.models.errors import UNAVAILABLE, OutageError, UserError
from ambivox.tasks._main import DISK_FULL, INTERRUPTED, MEMORY_FULL, TERMINATED, USER_MISTAKE, run
from tests.support.pooling_tables import simulated_corpus, write_files
from tests.support.s3_server import BUCKET, FlakyS3

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def annotate(utterances: Path, store: str, out: Path) -> int:
    words = (
        "annotate",
        "--utterances",
        str(utterances),
        "--alm",
        "qwen2_audio",
        "--engine",
        "fake",
        "--orders",
        "2",
        "--shard",
        "2",
    )
    return run(build(), [*words, "--store", store, "--out", str(out)])


@pytest.mark.server
@pytest.mark.parametrize(
    ("trouble", "code"), [("503", UNAVAILABLE), ("cut", UNAVAILABLE), ("403", USER_MISTAKE)]
)
def test_an_outage_of_s3_is_told_from_a_mistake(
    make_utterances: Any, fresh_engine: None, flaky_s3: FlakyS3, tmp_path: Path, trouble: Any, code: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    flaky_s3.trouble = lambda _: trouble
    assert annotate(make_utterances(4), f"s3://{BUCKET}/votes", tmp_path / "out") == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"s3://{BUCKET}/votes" in line
    flaky_s3.trouble = lambda _: ""
    assert annotate(tmp_path / "utterances.parquet", f"s3://{BUCKET}/votes", tmp_path / "out") == 0


@pytest.mark.server
def test_an_s3_that_is_gone_is_an_outage(
    make_utterances: Any,
    fresh_engine: None,
    flaky_s3: FlakyS3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    flaky_s3.close()
    assert annotate(make_utterances(4), f"s3://{BUCKET}/votes", tmp_path / "out") == UNAVAILABLE


@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (StageFailedError("a", UNAVAILABLE), True), (StageFailedError("a", DISK_FULL), True), (StageFailedError("a", 1), True),
        (StageFailedError("a", 137), True), (StageFailedError("a", MEMORY_FULL), True), (LockHeldError("a"), True), (StageFailedError("a", USER_MISTAKE), False),
        (StageFailedError("a", INTERRUPTED), False), (StageFailedError("a", TERMINATED), False), (KeyError("a"), False),
    ],
)  # fmt: skip
def test_the_pipeline_tries_outages_again_and_mistakes_not(error: Exception, is_retried: bool) -> None:
    def result() -> None:
        raise error

    assert _is_transient(None, None, SimpleNamespace(result=result)) == is_retried  # type: ignore[arg-type]


def allocation_error(allocate: Callable[[], object]) -> Exception:
    """What a library raises where it gets no memory."""
    try:
        allocate()
    except (MemoryError, RuntimeError) as error:
        return error
    raise AssertionError("that much memory was given")


def test_an_outage_is_a_line_and_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    from ambivox.tasks._main import app

    for error, code in (
        (OutageError("a server\nis gone"), UNAVAILABLE),
        (UserError("a mistake"), USER_MISTAKE),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY_FULL),
        (allocation_error(lambda: np.zeros(2**60, np.int8)), MEMORY_FULL),
        (allocation_error(lambda: torch.zeros(2**60, dtype=torch.int8)), MEMORY_FULL),
    ):
        application = app("test", "")

        @application.default
        def command(raised: Exception = error) -> None:
            raise raised

        assert run(application, []) == code
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.fixture
def tables(tmp_path: Path, make_utterances: Any) -> Path:
    """Tables in a folder of another user."""
    make_utterances(2, name="clips")
    write_files(tmp_path, simulated_corpus(rows=60, votes=5))
    os.chown(tmp_path, NOBODY, NOBODY)
    tmp_path.chmod(0o755)
    return tmp_path


def without_privileges(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of root without root's privileges: to files of others it has the rights of everybody."""
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "ambivox", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "POLARS_MAX_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may make folders of another user"
)
@pytest.mark.parametrize("denied", ["out", "input", "store"])
def test_files_of_another_user_are_one_line(
    tables: Path, denied: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("own")
    out = "out" if denied == "out" else str(own / "out")
    words: tuple[str, ...] = (
        "export",
        "--utterances",
        "utterances.parquet",
        "--votes",
        "votes.parquet",
        "--out",
        out,
    )
    if denied == "input":
        os.chown(tables / "votes.parquet", NOBODY, NOBODY)
        (tables / "votes.parquet").chmod(0o600)
    if denied == "store":
        words = (
            "annotate",
            "--utterances",
            "clips.parquet",
            "--alm",
            "qwen2_audio",
            "--engine",
            "fake",
            "--store",
            "store",
            "--out",
            out,
        )
    finished = without_privileges(tables, *words)
    assert finished.returncode == USER_MISTAKE, finished.stderr
    assert "ermission denied" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr
    assert not list(own.iterdir())
    assert not (tables / "out").exists()


def test_a_cache_that_another_process_locks_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambivox.models.audio.cache_database._WAIT_SECONDS", 0.2)
    soundfile.write(tmp_path / "a.wav", [0.1, -0.1] * 4000, 16_000)
    expected = probe([str(tmp_path / "a.wav")], cache=tmp_path / "other.sqlite")
    cache = tmp_path / "cache.sqlite"
    probe([str(tmp_path / "a.wav")], cache=cache)
    with sqlite3.connect(cache, isolation_level=None) as connection:
        connection.execute("begin exclusive")
        assert probe([str(tmp_path / "a.wav")], cache=cache).equals(expected)
    assert probe([str(tmp_path / "a.wav")], cache=cache).equals(expected)
