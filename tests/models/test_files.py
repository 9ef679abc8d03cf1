"""Atomic writing: complete files or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ambivox.models.files import atomic_folder, atomic_path, write_json

WRITES_FOREVER = """
import sys, time
from pathlib import Path
from ambivox.models.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_an_error_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"), atomic_path(path) as temporary:
        temporary.write_text("new")
        raise OSError("No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_folder_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "one").write_text("1")
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as temporary:
        raise KeyboardInterrupt
    assert [entry.name for entry in path.iterdir()] == ["one"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for text in ("1", "2"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / text).write_text(text)
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["2"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES_FOREVER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert path.read_text() == "old"


def test_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    first = write_json(tmp_path / "1", {"b": 1, "a": [1.5, None]}).read_bytes()
    time.sleep(0.01)
    assert write_json(tmp_path / "2", {"a": [1.5, None], "b": 1}).read_bytes() == first
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "3", {"a": float("nan")})
    assert not (tmp_path / "3").exists()


FULL = """
import resource, sys
from pathlib import Path
import numpy as np, polars as pl
from ambivox.models.files import DiskFullError, atomic_folder, atomic_path
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
folder = Path(sys.argv[1])
frame = pl.DataFrame({"a": np.random.default_rng(0).random(100_000)})
for write in (lambda path: frame.write_parquet(path), lambda path: path.write_bytes(bytes(30_000))):
    for name, atomic in (("file", atomic_path), ("folder", atomic_folder)):
        try:
            with atomic(folder / name) as temporary:
                write(temporary / "inner" if name == "folder" else temporary)
        except DiskFullError as error:
            assert str(folder / name) in str(error) and "run the same command again" in str(error)
        else:
            sys.exit(f"{name} was written")
"""


def test_a_write_that_the_system_refuses_is_said_plainly_and_leaves_no_rubbish(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inner").write_text("old")
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder/inner").read_text() == "old"
