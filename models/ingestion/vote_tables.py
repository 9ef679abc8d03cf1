"""Votes in a user's table: one row per vote, one column of counts per label, or one list of labels per utterance."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.delimited import LINE


def text_column(column: str) -> pl.Expr:
    """Read a column as text without surrounding blanks; empty text is null.

    Args:
        column: The column's name.

    Returns:
        The expression.
    """
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def votes_from_counts(
    path: Path, table: pl.DataFrame, labels: tuple[str, ...], utterance: str
) -> pl.DataFrame:
    """Expand counts to one row per vote.

    Args:
        path: The table's file, for messages.
        table: One row per utterance, with the columns of ``read_table``.
        labels: The columns with counts.
        utterance: The column with utterance ids.

    Returns:
        ``utterance_id``, ``label`` and ``line``.

    Raises:
        UserError: No labels are given, or a count is not a number of votes.
    """
    if not labels:
        raise UserError("votes as counts need the names of their columns: --options.labels anger,neutral,...")
    counts = table.select(
        LINE, text_column(utterance).alias("utterance_id"), *(_count(path, table, name) for name in labels)
    )
    unpivoted = counts.unpivot(
        on=list(labels), index=["utterance_id", LINE], variable_name="label", value_name="votes"
    )
    repeated = unpivoted.filter(pl.col("votes") > 0).select(pl.all().repeat_by("votes").explode())
    return repeated.drop("votes").rename({LINE: "line"})


def _count(path: Path, table: pl.DataFrame, name: str) -> pl.Expr:
    """Read a column of counts; an empty field is 0."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    invalid = table.filter(
        pl.col(name).is_not_null() & (number.is_null() | (number < 0) | (number != number.round()))
    )
    if invalid.height:
        raise UserError(
            f"{path}:{invalid[LINE][0]}: {name} is {invalid[name][0]!r}; expected a number of votes, 0 or more"
        )
    return number.fill_null(0).cast(pl.Int64).alias(name)


def votes_from_labels(
    table: pl.DataFrame, shape: str, utterance: str, annotator: str, label: str, weight: str, separator: str
) -> pl.DataFrame:
    """Read one row per vote, or one list of labels per utterance.

    Args:
        table: The table, with the columns of ``read_table``.
        shape: ``rows`` or ``list``.
        utterance: The column with utterance ids.
        annotator: The column with annotators.
        label: The column with labels.
        weight: The column with weights.
        separator: The text between labels in a list that is written as text.

    Returns:
        ``utterance_id``, ``label``, ``line`` and, where the table has them, ``annotator_id``, ``weight`` and
        ``annotator_kind``.
    """
    columns = {"utterance_id": text_column(utterance), "label": pl.col(label), "line": pl.col(LINE)}
    if shape == "rows" and annotator in table.columns:
        columns["annotator_id"] = text_column(annotator)
    if shape == "rows" and weight in table.columns:
        columns["weight"] = pl.col(weight).cast(pl.Float64, strict=False)
    if shape == "rows" and "annotator_kind" in table.columns:  # a table that Ambivox exported
        columns["annotator_kind"] = pl.col("annotator_kind")
    votes = table.select(**columns)
    if shape == "list":
        lists = (
            pl.col("label")
            if isinstance(table[label].dtype, pl.List)
            else pl.col("label").cast(pl.String).str.split(separator)
        )
        votes = votes.with_columns(lists).filter(pl.col("label").list.len() > 0).explode("label")
    return votes.with_columns(text_column("label"))


def with_annotators(votes: pl.DataFrame) -> pl.DataFrame:
    """Give each vote its own annotator id where the table does not tell annotators apart.

    Args:
        votes: One row per vote.

    Returns:
        The votes, with ``annotator_id``.
    """
    if "annotator_id" in votes.columns:
        return votes
    number = pl.int_range(pl.len()).over("utterance_id") + 1
    return votes.with_columns(annotator_id=pl.format("{}/{}", "utterance_id", number))
