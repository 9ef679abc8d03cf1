"""Labels in any script: as outlines where this machine has a font for them, else as text for the viewer's fonts."""

from __future__ import annotations

import logging
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ambivox.models.reporting.figures import fonts
from ambivox.models.reporting.figures.style import new_figure, plain_text, save

SVG = "{http://www.w3.org/2000/svg}text"


def texts(label: str, path: Path) -> set[str]:
    """What an SVG with this label holds as text; any warning is an error."""
    figure, (axes,) = new_figure()
    axes.bar([plain_text(label)], [1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, path)
    return {"".join(element.itertext()) for element in ET.parse(path).iter(SVG)}  # noqa: S314 - written here


@pytest.fixture
def without_other_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no font with other scripts."""
    monkeypatch.setattr(fonts, "_noticed", set())


@pytest.mark.parametrize("label", ["anger", "colère", "Zärtlichkeit", "злость", "θυμός", "$5 & <b>"])
def test_scripts_of_the_main_font_are_outlines(tmp_path: Path, label: str) -> None:
    assert texts(label, tmp_path / "a.svg") == set()


@pytest.mark.parametrize(
    "label",
    ["\U00012000\U00012001", "غضب", "כעס", "گریه‌ام", "क्रोध", "โกรธ", "<i>\U00012000&</i>"],
    ids=["no font", "Arabic", "Hebrew", "Persian with a joiner", "Devanagari", "Thai", "markup"],
)
def test_other_scripts_are_text_as_it_was_given(tmp_path: Path, label: str) -> None:
    assert label in texts(label, tmp_path / "a.svg")


def test_missing_characters_are_noted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, without_other_fonts: None
) -> None:
    with caplog.at_level(logging.WARNING, logger="ambivox"):
        for name in ("a", "b"):
            texts("\U00012000", tmp_path / f"{name}.svg")
    assert len(caplog.records) == 1
    assert "no font of this machine has characters such as \U00012000" in caplog.text
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_only_installed_fonts_are_asked_for() -> None:
    assert fonts.families()[0] == fonts.MAIN
    installed = {font.name for font in fonts.font_manager.fontManager.ttflist}
    assert set(fonts.families()) <= installed
