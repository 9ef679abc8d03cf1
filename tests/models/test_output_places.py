"""Places that cannot be written are named before anything is computed, and nothing of the user's is replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.flows.new_project import make
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder, check_output_folder
from ambivox.models.output_places import PAGE_MARK, check_folders_to_fill, check_output_file, check_writable
from ambivox.models.parquet_files import LABELS_KEY
from ambivox.models.tables import Distributions


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "letter.txt").write_text("Dear Ann\n")
    (tmp_path / "report.html").write_text(f"<html>{PAGE_MARK}an earlier one</title>\n")
    (tmp_path / "diary.html").write_text("<title>Monday</title>\n")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "broken").symlink_to("nothing")
    return tmp_path


@pytest.mark.parametrize("name", ["/proc/x", "/proc/self/x/y/z", "/dev/null/x", "letter.txt/x", "letter.txt/x/y", "circle/x", "broken/x", "x" * 300, "a/" * 3000])  # fmt: skip
def test_a_place_that_cannot_be_written_is_one_line(place: Path, name: str) -> None:
    before = sorted(place.iterdir())
    for check in (
        check_writable,
        check_output_folder,
        lambda path: check_output_file(path, ".html", PAGE_MARK),
    ):
        with pytest.raises((UserError, OSError, RuntimeError)) as caught:
            check(place / name)
        if isinstance(caught.value, UserError):
            assert "cannot be written" in str(caught.value) or "found a" in str(caught.value)
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("name", ["new", "new/deeper/still", "ä b", "-x", "report.html"])
def test_a_place_that_can_be_written_stays_as_it_is(place: Path, name: str) -> None:
    before = sorted(place.rglob("*"))
    check_writable(place / name)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("letter.txt", "is no earlier output; name a new file that ends in .html"),
        ("diary.html", "is no earlier output"),
        (".", "found a folder, expected a file to write"),
        ("circle", "found a link"),
        ("broken", "found a link"),
        ("/dev/null", "is no earlier output"),
    ],
)
def test_a_file_of_the_users_is_not_replaced(place: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_output_file(place / name, ".html", PAGE_MARK)
    assert (place / "letter.txt").read_text() == "Dear Ann\n"


def test_an_input_is_not_replaced(place: Path) -> None:
    (place / "again.html").hardlink_to(place / "report.html")
    with pytest.raises(UserError, match=r"is the input .*report.html"):
        check_output_file(place / "again.html", ".html", PAGE_MARK, (None, place / "report.html"))
    check_output_file(place / "report.html", ".html", PAGE_MARK, (None, place / "letter.txt"))


@pytest.mark.parametrize("name", ["/", "//", "/usr/..", "/./", " ", "\t"])
def test_a_folder_to_fill_is_not_everybody_s(name: str) -> None:
    with pytest.raises(UserError, match=r"root of the file system|found a blank name"):
        check_folders_to_fill(Path(name))


@pytest.mark.parametrize("name", [".", "store", "store/deeper"])
def test_a_folder_to_fill_is_not_in_one_that_a_step_replaces(tmp_path: Path, name: str) -> None:
    with atomic_folder(tmp_path / "ingest") as folder:
        (folder / "votes.parquet").write_bytes(b"votes")
    with pytest.raises(
        UserError, match=r"found the output of a step, which replaces the whole folder .*; .* such as "
    ):
        check_folders_to_fill(tmp_path / "ingest" / name)
    check_folders_to_fill(tmp_path / "store", tmp_path)


def test_a_table_is_known_by_its_footer(place: Path) -> None:
    table = Distributions.of(
        pl.Series([f"u{number}" for number in range(5000)]), "alm", np.full((5000, 2), 0.5), ("joy", "fear")
    )
    table.write(place / "earlier.parquet")
    table.frame.write_parquet(place / "other.parquet")
    check_output_file(place / "earlier.parquet", ".parquet", LABELS_KEY)
    with pytest.raises(UserError, match="is no earlier output"):
        check_output_file(place / "other.parquet", ".parquet", LABELS_KEY)


def test_nothing_that_stays_is_put_into_an_output(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "output"):
        pass
    inside = tmp_path / "output" / "a" / "b"
    for check in (check_output_folder, check_folders_to_fill, make):
        with pytest.raises(UserError, match="found the output of a step, which replaces the whole folder"):
            check(inside)
    assert not inside.parent.exists()


@pytest.mark.skipif(shutil.which("unshare") is None or os.getuid() != 0, reason="mounting needs root")
def test_a_mounted_drive_is_no_output_folder(tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    script = "from ambivox.models.files import check_output_folder; import sys; from pathlib import Path; check_output_folder(Path(sys.argv[1]))"
    command = f'mount -t tmpfs none "{mounted}" && exec "{sys.executable}" -c "{script}" "$0"'
    done = [
        subprocess.run(
            ["unshare", "-m", "sh", "-c", command, place], capture_output=True, text=True, check=False
        )
        for place in (mounted, mounted / "new")
    ]
    if "mount:" in done[0].stderr or "unshare:" in done[0].stderr:
        pytest.skip("mounting is not allowed here")
    assert "is where a drive is mounted" in done[0].stderr and "mounted/new" in done[0].stderr
    assert done[1].returncode == 0, done[1].stderr
