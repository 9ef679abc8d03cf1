"""What a section of the report consists of, and the pictures that the steps have drawn."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambivox.models.reporting.captions import caption, picture_order
from ambivox.models.reporting.tables import Table

_WIDE_POINTS = 520
_VIEW_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ')
_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A picture inside the page. It is an ``img``, so that nothing in it can run or affect the rest of the page."""

    caption: str
    source: str
    wide: bool = False


@dataclass(frozen=True)
class DistributionRow:
    """One distribution of an example: its source, the K probabilities, and a note on its votes."""

    source: str
    p_K: Sequence[float]
    note: str


@dataclass(frozen=True)
class Example:
    """One utterance with its distributions."""

    utterance_id: str
    transcript: str
    speaker: str
    distributions: list[DistributionRow]


@dataclass
class Section:
    """One part of the report; a section with no content says why in ``missing``."""

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    details: list[Table] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    missing: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (
            self.text or self.warnings or self.tables or self.pictures or self.details or self.examples
        )


def pictures(folder: Path) -> list[Picture]:
    """Return every SVG and PNG file in ``folder`` and its subfolders, in reading order."""
    paths = [path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES] if folder.is_dir() else []
    found = []
    for path in sorted(paths, key=lambda path: (picture_order(folder.name, path.stem), path)):
        subfolder = path.relative_to(folder).parent.as_posix()
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        found.append(
            Picture(
                caption(folder.name, path.stem) + ("" if subfolder == "." else f" ({subfolder})"),
                f"data:{_MEDIA_TYPES[path.suffix]};base64,{encoded}",
                _is_wide(path),
            )
        )
    return found


def _is_wide(path: Path) -> bool:
    """Whether a drawing has panels side by side and needs the full width of the page."""
    if path.suffix != ".svg":
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        box = _VIEW_BOX.search(file.read(2000))
    return box is not None and float(box[1]) > _WIDE_POINTS
