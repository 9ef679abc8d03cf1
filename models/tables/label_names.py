"""What a label may be called: tables of distributions have a column per label, beside columns of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ambivox.models.column_patterns import is_column_pattern
from ambivox.models.errors import UserError

# Of tables of distributions: of every source, and of pooling.
OTHER_COLUMNS = (
    "utterance_id", "source", "human_votes", "equivalent_votes", "prior_votes", "expected_squared_error", "fallback",
    "dominant_low", "dominant_high",
)  # fmt: skip


def check_label_names(labels: Sequence[str], where: str = "") -> None:
    """Check that labels are distinct and can be columns of a table of distributions.

    Args:
        labels: K labels.
        where: The file, and a colon, for messages.

    Raises:
        UserError: There is none, one stands twice, or one is a pattern or called like another column.
    """
    if not labels or len(set(labels)) != len(labels):
        raise UserError(f"{where}a label set needs one or more distinct labels, found {list(labels)}")
    for label in labels:
        why = "a pattern for columns" if is_column_pattern(label) else ""
        if label in OTHER_COLUMNS:
            why = "the name of a column of all tables of distributions"
        if why:
            raise UserError(
                f"{where}the label {label!r} is {why}; name it otherwise in the table, or with a label schema (option schema)"
            )
