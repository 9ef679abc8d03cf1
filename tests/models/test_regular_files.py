"""Small files of a user: what is no file, or no text, is named in one line and never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.regular_files import check_fetched, check_regular, read_bytes, read_text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "cannot be read (no such file or directory); expected a list"),
        ("circle", "cannot be read (too many levels of symbolic links)"),
        ("file/x", "cannot be read (not a directory)"),
        ("x" * 300, "cannot be read (file name too long)"),
        (".", "found a folder, expected a file with a list"),
        ("pipe", "found a pipe, a socket or a device"),
        ("/dev/zero", "found a pipe, a socket or a device"),
        ("latin", "not text in UTF-8, byte 3 is wrong; expected a list"),
    ],
)
def test_what_is_no_text_file_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_text("x")
    (tmp_path / "latin").write_bytes("grün".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        read_text(tmp_path / name, "a list")
    assert said in str(caught.value) and "Errno" not in str(caught.value)


def test_a_text_is_read_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffgrün\n".encode())
    assert read_text(tmp_path / "a", "a list") == "grün\n"
    assert read_bytes(tmp_path / "a", "a list").endswith(b"\n")


def test_what_another_library_opens_is_checked_before(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(
            UserError, match=f"{name}: found a pipe, a socket or a device, expected a file with a list"
        ):
            check_regular(tmp_path / name, "a list")
        check_fetched(tmp_path / name)
    check_regular(tmp_path / "absent", "a list")
    check_regular(Path(__file__), "a list")
