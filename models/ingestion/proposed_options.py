"""What a proposal of how a user's tables are read consists of: options with their reasons, doubts, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ambivox.models.ingestion.column_content import Source

OPTIONAL_ROLES = ("speaker", "transcript", "split", "language", "sex", "age")


@dataclass
class Proposal:
    """Options of the corpus ``table``, as far as the tables tell.

    Attributes:
        options: Option -> column, file, sheet or shape.
        reasons: Option -> why, for the user.
        doubts: What the user should confirm, a sentence each.
        missing: What no column was found for, a phrase each.
        hints: What the user may want to add; a run needs no answer.
    """

    options: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    @property
    def is_sure(self) -> bool:
        """Whether a run may use it without asking."""
        return not self.doubts and not self.missing

    def add(self, option: str, value: Any, reason: str) -> None:
        """Propose an option."""
        self.options[option] = value
        self.reasons[option] = reason

    def describe(self) -> str:
        """The proposed options in one line."""
        parts = [
            f"{name} = {', '.join(value) if isinstance(value, list) else value}"
            for name, value in self.options.items()
        ]
        return "; ".join(parts)


def add_place(which: str, source: Source, given: Mapping[str, Any], proposal: Proposal) -> None:
    """Propose the file, and the sheet of a workbook.

    Args:
        which: "" for the utterances, "votes" for the votes.
        source: The table.
        given: Options that the user gave.
        proposal: What is added to.
    """
    option, sheet = (which or "utterances"), f"{which}_sheet" if which else "sheet"
    files, sheets = (1, source.parts) if source.sheet is not None else (source.parts, 1)
    if option not in given and source.is_listed:
        reason = "the file" if files == 1 else f"{files} files with the same columns"
        proposal.add(option, source.path.name, reason)
    if sheet not in given and source.sheet is not None:
        reason = "the sheet" if sheets == 1 else f"{sheets} sheets with the same columns"
        proposal.add(sheet, source.sheet, reason)
    proposal.doubts += source.doubts if option not in given and sheet not in given else ()
