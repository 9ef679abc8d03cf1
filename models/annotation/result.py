"""What an annotation run returns, and how it is written and described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.files import write_json
from ambivox.models.tables import Annotations, Votes


@dataclass(frozen=True)
class AnnotationResult:
    """The tables and checks of a run.

    Attributes:
        annotations: one row per answer.
        votes: one row per synthetic vote.
        rejects: one row per utterance without answers, with the reason (REJECTS).
        checks: the content of checks.json.
    """

    annotations: Annotations
    votes: Votes
    rejects: pl.DataFrame
    checks: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write annotations.parquet, votes.parquet, rejects.parquet and checks.json.

        Args:
            folder: an existing folder.
        """
        self.annotations.write(folder / "annotations.parquet")
        self.votes.write(folder / "votes.parquet")
        self.rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
        write_json(folder / "checks.json", self.checks)

    def describe(self) -> str:
        """The numbers of answers, refusals and rejects, and the mean label mass, in one line."""
        mass = self.checks["label_mass"]["mean"]
        return (
            f"{counted(len(self.annotations), 'answer')}, {counted(self.checks['refusals'], 'refusal')}, "
            f"{counted(self.rejects.height, 'utterance')} rejected{'' if mass is None else f', label mass {mass:.3f}'}"
        )

    def warning(self) -> str | None:
        """A warning where no answer is a vote, or the annotator failed the swapped-audio check, else None."""
        if len(self.annotations) and self.checks["refusals"] == len(self.annotations):
            return (
                f"{self.checks['alm']}: none of its {len(self.annotations)} answers names a label, so it gives no votes; "
                "the column response of annotations.parquet holds what it wrote; try another --elicitation"
            )
        if self.checks["audio_sensitive"] is not False:
            return None
        return (
            f"{self.checks['alm']} is audio-insensitive: its answers hardly change when the audio is swapped with "
            f"another utterance's (mean JS {self.checks['canary']['js']:.4f} bit)"
        )
