"""What a section of the report consists of, and the pictures that the steps have drawn."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

from ambivox.models.reporting.captions import caption, picture_order
from ambivox.models.reporting.example_cards import ExampleCard
from ambivox.models.reporting.picture_messages import picture_message
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.tables import Table

_WIDE_POINTS = 520
_PIXELS_PER_POINT = 4 / 3
_LEAST_SCALE = 0.85  # of a drawing: at less, its text is smaller than that of the page
_VIEW_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ')
_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A picture inside the page. It is an ``img``, so that nothing in it can run or affect the rest of the page.

    Attributes:
        caption: what one sees, and what the figures say.
        alternative: the same for those who do not see it.
        source: the address, which is within the page.
        wide: whether it has panels side by side and needs the full width of the page.
        least_width: in pixels; in less space its text would be too small, and it scrolls instead. 0 where unknown.
    """

    caption: str
    alternative: str
    source: str
    wide: bool = False
    least_width: int = 0


@dataclass(frozen=True)
class Example:
    """One utterance to listen to.

    Attributes:
        card: what is known about it.
        anchor: its name in the page.
        audio: the address of its audio, which is within the page; empty where there is none.
        note: its duration, or why there is no audio.
    """

    card: ExampleCard
    anchor: str
    audio: str
    note: str


@dataclass(frozen=True)
class ExampleGroup:
    """Utterances that were chosen for the same reason."""

    title: str
    reading: str
    examples: list[Example]


@dataclass
class Section:
    """One part of the report.

    Attributes:
        key: its name in the page.
        title: its heading.
        text: paragraphs.
        warnings: paragraphs that stand out.
        tables: that are shown at once.
        pictures: that are shown at once.
        folded: tables behind the pictures, which the reader unfolds.
        details: every value of the step's files, which the reader unfolds.
        groups: utterances to listen to.
        missing: why a section has no content.
    """

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    folded: list[Table] = field(default_factory=list)
    details: list[Table] = field(default_factory=list)
    groups: list[ExampleGroup] = field(default_factory=list)
    missing: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(
            (self.text, self.warnings, self.tables, self.pictures, self.folded, self.details, self.groups)
        )


def pictures(run: Run, folder: str) -> list[Picture]:
    """Return every SVG and PNG file in a folder of a run and its subfolders, in reading order.

    Args:
        run: the outputs of a corpus.
        folder: the step's folder below data/<key>/, such as ``validation``.
    """
    root = run.root / folder
    paths = [path for path in root.rglob("*") if path.suffix in _MEDIA_TYPES] if root.is_dir() else []
    listed = []
    for path in sorted(paths, key=lambda path: (picture_order(folder, path.stem), path)):
        subfolder = path.relative_to(root).parent.as_posix()
        subfolder = "" if subfolder == "." else subfolder
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        width = _width(path)
        text = caption(folder, path.stem) + (f" ({subfolder})" if subfolder else "")
        message = picture_message(run, folder, path.stem, subfolder)
        listed.append(
            Picture(
                f"{text}. {message}" if message else text,
                f"Figure. {text}. {message}".strip(),
                f"data:{_MEDIA_TYPES[path.suffix]};base64,{encoded}",
                width > _WIDE_POINTS,
                round(_LEAST_SCALE * width * _PIXELS_PER_POINT),
            )
        )
    return listed


def _width(path: Path) -> float:
    """The width of a drawing in points; 0 where it is not known."""
    if path.suffix != ".svg":
        return 0.0
    with path.open(encoding="utf-8", errors="replace") as file:
        box = _VIEW_BOX.search(file.read(2000))
    return float(box[1]) if box is not None else 0.0
