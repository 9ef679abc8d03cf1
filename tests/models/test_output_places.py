"""Places that cannot be written are named before anything is computed, and nothing of the user's is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder, check_output_folder
from ambivox.models.output_places import check_folders_to_fill, check_output_file, check_writable


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "letter.txt").write_text("Dear Ann\n")
    (tmp_path / "report.html").write_text("<p>an earlier one\n")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "broken").symlink_to("nothing")
    return tmp_path


@pytest.mark.parametrize("name", ["/proc/x", "/proc/self/x/y/z", "/dev/null/x", "letter.txt/x", "letter.txt/x/y", "circle/x", "broken/x", "x" * 300, "a/" * 3000])  # fmt: skip
def test_a_place_that_cannot_be_written_is_one_line(place: Path, name: str) -> None:
    before = sorted(place.iterdir())
    for check in (check_writable, check_output_folder, lambda path: check_output_file(path, ".html")):
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
        ("letter.txt", "is no earlier output; expected a name that ends in .html"),
        (".", "found a folder, expected a file to write"),
        ("circle", "found a link"),
        ("broken", "found a link"),
        ("/dev/null", "is no earlier output"),
    ],
)
def test_a_file_of_the_users_is_not_replaced(place: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_output_file(place / name, ".html")
    assert (place / "letter.txt").read_text() == "Dear Ann\n"


def test_an_input_is_not_replaced(place: Path) -> None:
    (place / "again.html").hardlink_to(place / "report.html")
    with pytest.raises(UserError, match=r"is the input .*report.html"):
        check_output_file(place / "again.html", ".html", (None, place / "report.html"))
    check_output_file(place / "report.html", ".html", (None, place / "letter.txt"))


@pytest.mark.parametrize("name", ["/", "//", "/usr/..", "/./", " ", "\t"])
def test_a_folder_to_fill_is_not_everybody_s(name: str) -> None:
    with pytest.raises(UserError, match=r"root of the file system|found a blank name"):
        check_folders_to_fill(Path(name))


@pytest.mark.parametrize("name", [".", "store", "store/deeper"])
def test_a_folder_to_fill_is_not_in_one_that_a_step_replaces(tmp_path: Path, name: str) -> None:
    with atomic_folder(tmp_path / "ingest") as folder:
        (folder / "votes.parquet").write_bytes(b"votes")
    with pytest.raises(
        UserError, match=r"found the output of a step, which replaces the whole folder; .* such as "
    ):
        check_folders_to_fill(tmp_path / "ingest" / name)
    check_folders_to_fill(tmp_path / "store", tmp_path)
