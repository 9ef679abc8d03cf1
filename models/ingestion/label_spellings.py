"""Labels as other tools write them: the known label that is meant, and files whose labels are all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.cleaning import plain_text

_MOST_SHOWN = 5


class LabelSpellings:
    """Finds labels whatever their case, blanks and marks that cannot be seen.

    Args:
        labels: The known labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._by_spelling = {plain_text(label).casefold(): label for label in labels}
        self._by_spelling |= {label: label for label in labels}

    def find(self, text: str) -> str | None:
        """The known label that a text spells; None where it spells none.

        Args:
            text: A label as another tool writes it.

        Example:
            >>> LabelSpellings(["anger", "Joy"]).find(" ANGER"), LabelSpellings(["anger"]).find("joy")
            ('anger', None)
        """
        return self._by_spelling.get(text) or self._by_spelling.get(plain_text(text).casefold())


def check_labels(unknown: pl.Series, labels: int, known: Sequence[str], path: Path) -> None:
    """Refuse a file in which all labels are unknown: they are other labels, or in another place.

    Args:
        unknown: The unknown labels that were found.
        labels: How many labels were found.
        known: The labels that are allowed.
        path: The file, for the message.

    Raises:
        UserError: All labels are unknown.
    """
    if labels and len(unknown) == labels:
        distinct = unknown.unique().sort().to_list()
        are_numbers = all(text.strip().isdigit() for text in distinct)
        hint = " (numbers may be keys or places of labels: write the labels)" if are_numbers else ""
        more = f" and {len(distinct) - _MOST_SHOWN} more" if len(distinct) > _MOST_SHOWN else ""
        raise UserError(
            f"{path}: all labels are unknown; found {', '.join(map(repr, distinct[:_MOST_SHOWN]))}{more}{hint}, expected "
            f"{', '.join(known)}; rename them in the file, or name the control that holds the labels by --control"
        )
