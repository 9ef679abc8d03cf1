"""Names that sources give: they never decide a path outside the folder that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.annotator_registry.candidate import Candidate, SourceError, place_below


def candidate(alm: str, version: str) -> Candidate:
    return Candidate(alm, version, "hub:author=x", alm)


@pytest.mark.parametrize(
    ("alm", "version"),
    [
        ("Qwen/Some-Audio", "../../../outside"),
        ("../../outside", "abc"),
        ("..", "/etc"),
        (".hidden", "abc"),
        ("a\\b", "abc"),
        ("C:\\x", "abc"),
        ("a\0b", "abc"),
        ("a" * 5000, "abc"),
        ("", ""),
        ("\ud800", "abc"),
    ],
)
def test_a_folder_is_directly_below_the_cache_whatever_the_source_says(
    tmp_path: Path, alm: str, version: str
) -> None:
    folder = tmp_path / candidate(alm, version).folder_name
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve() and not folder.name.startswith(".")


def test_names_that_are_replaced_stay_apart() -> None:
    names = {candidate(alm, "abc").folder_name for alm in ("a b", "a?b", "a/b", "a--b")}
    assert len(names) == 3  # the last two are spelled alike, as folders were before
    assert (
        candidate("Qwen/Some-Audio", "0123456789abcdef99").folder_name == "Qwen--Some-Audio-0123456789abcdef"
    )


@pytest.mark.parametrize(
    "name",
    [
        "/etc/x.json",
        "../x.json",
        "a/../../x.json",
        "a//x.json",
        "a\\..\\x.json",
        "C:x.json",
        "./x.json",
        "x\0.json",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="leads out of its folder"):
        place_below(tmp_path, name)


@pytest.mark.parametrize("name", ["a\x1b[2J.json", "a\n.json", "\u202exosj.a", "a\x7f/b.json"])
def test_a_name_with_control_characters_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="has control characters"):
        place_below(tmp_path, name)


def test_names_below_the_folder_are_kept(tmp_path: Path) -> None:
    assert place_below(tmp_path, "templates/a.jinja") == tmp_path / "templates" / "a.jinja"
