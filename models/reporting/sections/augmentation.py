"""Class balance: what DiME-Aug added to which class."""

from __future__ import annotations

from ambivox.models.left_out import NOTE
from ambivox.models.reporting.json_tables import json_tables
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run


def augmentation(run: Run) -> Section:
    """Describe every augmented training set below augmented/."""
    section = Section("augmentation", "Class balance: DiME-Aug")
    for folder in sorted(path for path in (run.root / "augmented").glob("*") if path.is_dir()):
        for path in sorted(path for path in folder.glob("*.json") if path.name != NOTE):
            content = run.json(f"augmented/{folder.name}/{path.name}")
            section.details += json_tables(content, f"{folder.name}: {path.stem}")
    section.pictures = pictures(run, "augmented")
    return section
