"""Atomic writing: complete files or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.file_errors import access_error, disk_is_full
from ambivox.models.files import atomic_folder, atomic_path, check_output_folder, write_json
from ambivox.models.output_places import MARKER

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
    assert {entry.name for entry in path.iterdir()} == {"one", MARKER}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for text in ("1", "2"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / text).write_text(text)
    assert {entry.name for entry in (tmp_path / "folder").iterdir()} == {"2", MARKER}


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
from ambivox.models.file_errors import DiskFullError
from ambivox.models.files import atomic_folder, atomic_path
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
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "inner").write_text("old")
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
    assert (tmp_path / "file").read_text() == (tmp_path / "folder/inner").read_text() == "old"


def refused(path: Path, *inputs: Path | str | None) -> str:
    """The message, after checking that every writer is refused and that nothing has changed."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(UserError) as error:
        check_output_folder(path, inputs)
    with pytest.raises(UserError), atomic_folder(path, inputs):
        pytest.fail("the block started")
    assert sorted(path.parent.rglob("*")) == before
    message = str(error.value)
    assert "\n" not in message
    assert "name another folder" in message
    return message


def test_the_marker_is_the_same_in_every_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with atomic_folder(tmp_path / name) as temporary:
            (temporary / name).write_text(name)
    assert (tmp_path / "one" / MARKER).read_bytes() == (tmp_path / "two" / MARKER).read_bytes()


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.wav").write_bytes(b"sound")
    assert "Ambivox did not write (sub)" in refused(folder)
    # The folder for caches, which any project has, is no marker.
    (folder / ".ambivox").mkdir()
    refused(folder)
    # Neither is an empty file, or another's.
    (folder / MARKER).touch()
    refused(folder)


@pytest.mark.parametrize(
    "names",
    [
        ("utterances.parquet", "profile.json", "votes.parquet", "profile.svg"),
        ("annotations.parquet", "checks.json"),
        ("pooling.json", "pooled.parquet"),
        ("config.json", "training.json", "model.safetensors", "chat_template.jinja"),
    ],
)
def test_an_output_of_before_the_marker_is_replaced_unless_it_holds_more(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for folder in (tmp_path / "out", tmp_path / "more"):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    (tmp_path / "more/a.wav").write_bytes(b"sound")
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "new").touch()
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {"new", MARKER}
    refused(tmp_path / "more")


def test_a_file_and_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert "found a file" in refused(tmp_path / "file")
    assert "found a link" in refused(tmp_path / "link")
    assert "found a link" in refused(tmp_path / "dangling")


def test_home_the_current_folder_and_what_holds_them_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("users/home", "projects/current"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "users/home"))
    monkeypatch.chdir(tmp_path / "projects/current")
    for path in (tmp_path / "users/home", tmp_path / "users"):
        assert "home folder" in refused(path)
    for path in (tmp_path / "projects/current", tmp_path / "projects", Path(), Path("..")):
        assert "current folder" in refused(path)
    with pytest.raises(UserError, match="root of a drive"):
        check_output_folder(Path("/"))
    check_output_folder(Path("out"))


def test_a_folder_with_an_input_is_refused_even_if_it_is_own(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with atomic_folder(folder) as temporary:
        (temporary / "votes.parquet").touch()
    check_output_folder(folder, (None, "key-of-an-alm", "s3://bucket/store", tmp_path / "other"))
    (tmp_path / "link").symlink_to(folder)
    for read in (folder, folder / "votes.parquet", tmp_path / "link/votes.parquet", str(folder)):
        assert "is or contains the input" in refused(folder, read)
    # A cache that does not exist yet would be deleted at the end.
    assert "is or contains the input" in refused(folder, folder / "cache")


def test_files_that_appear_while_the_folder_is_written_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(UserError, match=r"did not write \(a\.wav\)"), atomic_folder(folder):
        folder.mkdir()
        (folder / "a.wav").write_bytes(b"sound")
    assert list(tmp_path.rglob("*")) == [folder, folder / "a.wav"]


def test_paths_that_cannot_be_one_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")

    def loop() -> None:
        (tmp_path / "loop").resolve(strict=True)

    def too_long() -> None:
        (tmp_path / ("y" * 5000)).stat()

    def below_a_file() -> None:
        (tmp_path / "file" / "x").mkdir()

    def in_place_of_a_file() -> None:
        (tmp_path / "file").mkdir()

    for use in (loop, too_long, below_a_file, in_place_of_a_file):
        with pytest.raises((OSError, RuntimeError)) as caught:
            use()
        mistake = access_error(caught.value)
        assert mistake is not None and str(mistake).endswith("expected the path of a file or folder")
        assert len(str(mistake)) < 400
        assert not disk_is_full(caught.value)
    missing = access_error(FileNotFoundError(2, "No such file", "x"))
    assert str(missing) == "x: no such file or directory; expected the path of a file or folder"
    assert access_error(FileNotFoundError(2, "No such file")) is None  # it names no path
    assert access_error(OSError(5, "Input/output error", "x")) is None
    assert access_error(RuntimeError("dictionary changed size")) is None
