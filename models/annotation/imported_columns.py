"""Which columns of a table hold answers of ALMs, and of which kind they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.cleaning import plain_text
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.nested import single_columns

# How columns of probabilities are named.
_FORMS = ("{}", "prob_{}", "p({})", "p_{}", "{}_score", "{}_prob")


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns.

    Attributes:
        utterance: The column with the utterance's id.
        model: The column with the name of the model; "" where one name is given for all rows.
        label: The column with the label.
        response: The column with the text that the model wrote.
    """

    utterance: str = "utterance_id"
    model: str = "model"
    label: str = "label"
    response: str = "response"


def find_column(columns: Sequence[str], name: str) -> str | None:
    """The column of a name, whatever its case; None where there is none.

    Args:
        columns: The columns of a table.
        name: The name.

    Example:
        >>> find_column(["ID", "Label"], "label")
        'Label'
    """
    if name in columns:
        return name
    return next((column for column in columns if plain_text(column).casefold() == name.casefold()), None)


def label_columns(columns: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """The columns that hold a number per label: those of the form of names that fits most labels.

    Args:
        columns: The columns of a table.
        labels: The labels.

    Returns:
        The column of each label that has one.

    Example:
        >>> label_columns(["id", "Prob_Anger", "prob_joy"], ["anger", "joy"])
        {'anger': 'Prob_Anger', 'joy': 'prob_joy'}
    """
    fitting = [
        {label: column for label in labels if (column := find_column(columns, form.format(label)))}
        for form in _FORMS
    ]
    return max(fitting, key=len)


def kind_of(path: Path, found: list[str], labels: tuple[str, ...], columns: Columns) -> tuple[str, list[str]]:
    """Find the answers of a table.

    Args:
        path: The table, for messages.
        found: Its columns.
        labels: The labels, in order.
        columns: The names of the columns; a name that is not the default comes first.

    Returns:
        The kind of the answers (probabilities, label or response), and the columns that hold them.

    Raises:
        UserError: A column that the user named is missing, or there are no answers.
    """
    for kind, name, default in (
        ("label", columns.label, Columns.label),
        ("response", columns.response, Columns.response),
    ):
        if name != default:  # the user named it
            if (column := find_column(found, name)) is None:
                raise UserError(f"{path}: no column {name!r} (--{kind}); found {', '.join(found)}")
            return kind, [column]
    present = label_columns(found, labels)
    if len(present) == len(labels):
        return "probabilities", [present[label] for label in labels]
    for kind, name in (("label", columns.label), ("response", columns.response)):
        if column := find_column(found, name):
            return kind, [column]
    if present:
        missing = ", ".join(label for label in labels if label not in present)
        raise UserError(f"{path}: a column for each label is needed; missing: {missing}")
    raise UserError(
        f"{path}: no answers; expected a column {columns.label!r} (--label), one column per label ({', '.join(labels)}), "
        f"or a column {columns.response!r} (--response); found {', '.join(found)}"
    )


def notes_on(frame: pl.DataFrame, kind: str, sources: list[str], used: list[str]) -> list[str]:
    """What was read, and which columns of numbers were not.

    Args:
        frame: The table.
        kind: What ``kind_of`` returned.
        sources: The columns with the answers.
        used: All columns that are used.

    Returns:
        Lines for the user.
    """
    what = {"probabilities": "probabilities or counts", "label": "labels", "response": "texts"}[kind]
    notes = [f"read as {what}: {', '.join(sources)}"]
    unread = [
        name
        for name in single_columns(frame)
        if name not in (*used, LINE, "")
        and frame[name].count()
        and frame[name].cast(pl.String).cast(pl.Float64, strict=False).count() == frame[name].count()
    ]
    return [*notes, f"columns of numbers that were not read: {', '.join(unread)}"] if unread else notes
