"""Where a user's table has its votes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class VoteColumns:
    """Where a table has its votes.

    Attributes:
        options: Options of the corpus ``table``.
        reason: Why, for the user.
        reasons: The reasons of single options, where they differ.
        doubts: What the user should confirm.
        tells_annotators: Whether annotators are told apart.
        hints: What the user may want to add.
    """

    options: dict[str, Any]
    reason: str
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    tells_annotators: bool = False
    hints: list[str] = field(default_factory=list)
