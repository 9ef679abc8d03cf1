"""Folders are exchanged in one step, and what a killed process was writing is removed or put back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ambivox.models import temporary_files
from ambivox.models.files import atomic_folder, atomic_path

ROOT = Path(__file__).parents[2]
WRITE_FOREVER = """
import sys
from pathlib import Path
from ambivox.models.files import atomic_folder
target = Path(sys.argv[1])
for number in range(10**9):
    with atomic_folder(target) as folder:
        for part in range(5):
            (folder / f"{part}.txt").write_text(str(number))
"""


def parts(folder: Path) -> list[str]:
    return [(folder / f"{part}.txt").read_text() for part in range(5)]


def write(folder: Path, text: str) -> None:
    with atomic_folder(folder) as temporary:
        for part in range(5):
            (temporary / f"{part}.txt").write_text(text)


def test_a_reader_never_finds_the_folder_missing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, "0")
    missing, stop = [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            if not folder.is_dir():
                missing.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        write(folder, str(number))
    stop.set()
    reader.join()
    assert not missing


def test_a_scratch_folder_is_its_owners_and_that_of_an_ended_process_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left = tmp_path / f".ambivox.{temporary_files._machine()}-{int(ended.stdout)}-x.tmp"
    left.mkdir()
    (left / "recording.wav").write_text("")
    with temporary_files.scratch_folder() as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
        assert not left.exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.009, 0.013, 0.021])
def test_after_a_kill_the_folder_is_whole_and_nothing_else_is_left(tmp_path: Path, delay: float) -> None:
    folder = tmp_path / "out"
    write(folder, "before")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(folder)], env=environment)
    while parts(folder)[0] == "before":
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(set(parts(folder))) == 1
    temporary_files._swept.clear()
    temporary_files.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def left_by(process: int, target: str, kind: str) -> str:
    return f".{target}.{temporary_files._machine()}-{process}-abcdef.{kind}"


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_that_was_moved_aside_is_put_back(tmp_path: Path) -> None:
    aside = tmp_path / left_by(ended_process(), "out", "old")
    write(aside / "out", "earlier")
    temporary_files._swept.clear()
    with atomic_path(tmp_path / "other.txt") as temporary:
        temporary.write_text("x")
    assert parts(tmp_path / "out") == ["earlier"] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.txt", "out"]


def test_what_others_write_stays(tmp_path: Path) -> None:
    ended = ended_process()
    stays = [
        left_by(os.getpid(), "a.txt", "tmp"),
        left_by(1, "a.txt", "tmp"),
        f".a.txt.00000000-{ended}-abcdef.tmp",  # of another machine
        ".a.txt.tmp",
        "a.tmp",
    ]
    for name in [*stays, left_by(ended, "a.txt", "tmp"), left_by(ended, "a\nb.txt", "tmp")]:
        (tmp_path / name).write_text("x")
    temporary_files._swept.clear()
    temporary_files.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)


def test_a_file_system_without_the_exchange_still_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary_files, "_exchange", lambda *_: False)
    write(tmp_path / "out", "1")
    write(tmp_path / "out", "2")
    assert parts(tmp_path / "out") == ["2"] * 5
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
