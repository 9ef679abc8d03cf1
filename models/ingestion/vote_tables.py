"""Votes in a user's table: a row per vote, a column of counts per label, a column per annotator, or a cell per utterance."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.count_columns import NUMBERS_FOR_SHARES
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.nested import refuse_nested
from ambivox.models.ingestion.table_settings import column_of
from ambivox.models.ingestion.utterance_rows import text_column
from ambivox.models.ingestion.vote_cells import MOST_VOTES, check_total, explode_votes, parse_cell

_TRUTH = {"true": 1.0, "false": 0.0}


def read_votes(
    path: Path, table: pl.DataFrame, settings: Mapping[str, Any], found: Mapping[str, str]
) -> pl.DataFrame:
    """Read the votes of a table in any shape.

    Args:
        path: The table's file, for messages.
        table: The table, with LINE.
        settings: Options of the corpus ``table``.
        found: Option -> column, of the optional columns that the table has.

    Returns:
        One row per vote: ``utterance_id``, ``label``, ``line`` and, where the table has them, ``annotator_id``,
        ``weight``, ``annotator_kind`` and ``status``.

    Raises:
        UserError: A cell holds something else than votes.
    """
    key = str(settings.get("vote_utterance", column_of(settings, "utterance")))
    shape = settings.get("shape", "rows")
    status = settings.get("status")
    if status is not None and status not in table.columns:
        raise UserError(f"{path}: column {status!r} (option status) is missing, found {table.columns[:-1]}")
    roles = (
        ("weight",) if shape == "list" else ("annotator", "weight")
    )  # lists of votes have lists of annotators
    columns = [key, *(found[role] for role in roles if role in found), "annotator_kind"]
    refuse_nested(path, table, columns + ([status] if status else []))
    table = table.with_columns(text_column(key).alias(key))
    if shape == "counts":
        votes = _from_counts(path, table, settings.get("labels", ()), key, found.get("annotator"))
    elif shape == "raters":
        votes = _from_raters(path, table, settings, key)
    elif shape == "list":
        separator = str(settings.get("separator", ";"))
        label = column_of(settings, "label")
        votes = explode_votes(path, table, key, label, separator, found.get("annotator"))
        votes = votes.with_columns(text_column("label"))
    else:
        votes = _from_rows(path, table, settings, key, found)
    if status is not None:
        # A row of a survey has become several, one per clip.
        states = table.select(LINE, status=text_column(status)).unique(LINE, keep="first")
        votes = votes.join(states, left_on="line", right_on=LINE, how="left", maintain_order="left")
    return votes


def count_labels(columns: Sequence[str]) -> dict[str, str]:
    """Name the labels of columns with counts: what all names start or end with, up to a separator, is no part of the label.

    Args:
        columns: The columns.

    Returns:
        Column -> label.

    Example:
        >>> count_labels(["n_anger", "n_fear"]), count_labels(["Joy (n)", "Fear (n)"]), count_labels(["anger", "awe"])
        ({'n_anger': 'anger', 'n_fear': 'fear'}, {'Joy (n)': 'Joy', 'Fear (n)': 'Fear'}, {'anger': 'anger', 'awe': 'awe'})
    """
    start, end = "", ""
    if len(columns) > 1:
        start = re.sub(r"(?<![^\s_.:-])[^\s_.:-]*$", "", _common_start(columns))
        end = _common_start([column[len(start) :][::-1] for column in columns])[::-1]
        end = re.sub(r"^[^\s_.:(\[-]*", "", end)
    return {column: column[len(start) : len(column) - len(end)].strip() or column for column in columns}


def label_set(votes: pl.DataFrame, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels that occur; for counts those of the columns, whether they occur or not.

    Args:
        votes: The votes.
        settings: Options of the corpus ``table``.
    """
    occurring: Sequence[str] = sorted(votes["label"].drop_nulls().unique())
    if settings.get("shape") == "counts":
        return tuple(dict.fromkeys(count_labels(settings.get("labels", ())).values()))
    return tuple(occurring)


def _common_start(texts: Sequence[str]) -> str:
    """The letters that all texts start with."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def _from_counts(
    path: Path, table: pl.DataFrame, columns: Sequence[str], utterance: str, annotator: str | None
) -> pl.DataFrame:
    """Expand counts to one row per vote; with annotators, a count above 0 is one label of theirs."""
    if not columns:
        raise UserError("votes as counts need the names of their columns: --options.labels anger,neutral,...")
    refuse_nested(path, table, list(columns))
    index = {"utterance_id": utterance, "line": LINE} | (
        {} if annotator is None else {"annotator_id": annotator}
    )
    counts = table.select(
        *(pl.col(column).alias(name) for name, column in index.items()),
        *(_count(path, table, column).alias(f"_{number}") for number, column in enumerate(columns)),
    )
    if annotator is not None:
        counts = counts.with_columns(text_column("annotator_id"))
        _check_labels_of_annotators(path, counts, columns, annotator)
    labels = {f"_{number}": label for number, label in enumerate(count_labels(columns).values())}
    unpivoted = counts.unpivot(on=list(labels), index=list(index), variable_name="label", value_name="votes")
    unpivoted = unpivoted.with_columns(pl.col("label").replace_strict(labels)).filter(pl.col("votes") > 0)
    if annotator is not None:
        return unpivoted.drop("votes")
    check_total(path, int(unpivoted["votes"].sum()), table.height)
    return unpivoted.select(pl.all().repeat_by("votes").explode()).drop("votes")


def _check_labels_of_annotators(
    path: Path, counts: pl.DataFrame, columns: Sequence[str], annotator: str
) -> None:
    """Refuse intensities: every annotator would seem to choose every label."""
    for number, column in enumerate(columns):
        more = counts.filter(pl.col("annotator_id").is_not_null() & (pl.col(f"_{number}") > 1))
        if more.height:
            raise UserError(
                f"{path}:{more['line'][0]}: {column} is {more[f'_{number}'][0]} for one annotator (column {annotator!r}); "
                "expected 1 for the labels that the annotator chose and 0 for the others; intensities are no votes: write the "
                "label that each annotator chose"
            )


def _count(path: Path, table: pl.DataFrame, name: str) -> pl.Expr:
    """Read a column of counts; an empty field is 0, and true is 1."""
    text = table[name].cast(pl.String).str.strip_chars().str.to_lowercase()
    number = text.replace_strict(_TRUTH, default=text.cast(pl.Float64, strict=False), return_dtype=pl.Float64)
    is_number = number.is_between(0, MOST_VOTES) & (number == number.round())
    is_valid = text.is_null() | is_number.fill_null(value=False)
    invalid = table.filter(~is_valid)
    if invalid.height:
        are_shares = text.str.contains(r"^\d+([.,]\d+)?\s*%$").any() or ((number > 0) & (number < 1)).any()
        advice = f"; shares are no votes: {NUMBERS_FOR_SHARES}" if are_shares else ""
        raise UserError(
            f"{path}:{invalid[LINE][0]}: {name} is {invalid[name][0]!r}; expected a number of votes, 0 to {MOST_VOTES:,}{advice}"
        )
    return pl.lit(number.fill_null(0).cast(pl.Int64))


def _from_raters(
    path: Path, table: pl.DataFrame, settings: Mapping[str, Any], utterance: str
) -> pl.DataFrame:
    """One column per annotator; an empty field is no vote."""
    columns = list(settings.get("raters", ()))
    if not columns:
        raise UserError(
            "votes of one column per annotator need the names of the columns: --options.raters r1,r2,..."
        )
    refuse_nested(path, table, columns)
    # A rater may be called like a column of the result.
    names = {f"_{number}": name for number, name in enumerate(columns)}
    votes = table.select(
        pl.col(utterance).alias("utterance_id"),
        pl.col(LINE).alias("line"),
        *(text_column(name).alias(place) for place, name in names.items()),
    ).unpivot(
        on=list(names), index=["utterance_id", "line"], variable_name="annotator_id", value_name="label"
    )
    votes = votes.with_columns(pl.col("annotator_id").replace_strict(names)).drop_nulls("label")
    known = {str(label).strip().casefold() for label in settings.get("labels", ())}
    for column in columns if known else []:
        of_column = votes.filter(annotator_id=column)
        if of_column.height and not of_column["label"].str.to_lowercase().is_in(list(known)).any():
            raise UserError(
                f"{path}: column {column!r}: none of its {of_column.height} votes is one of the labels "
                f"{', '.join(settings['labels'])}, the first is {of_column['label'][0]!r}; correct --options.raters or "
                "--options.labels"
            )
    return votes


def _from_rows(
    path: Path, table: pl.DataFrame, settings: Mapping[str, Any], utterance: str, found: Mapping[str, str]
) -> pl.DataFrame:
    """One row per vote."""
    label = column_of(settings, "label")
    if table[label].dtype.is_nested() or (
        table[label].dtype == pl.String
        and any(parse_cell(text) for text in table[label].drop_nulls().head(20))
    ):
        raise UserError(
            f"{path}: column {label!r} holds lists or dictionaries, but the shape is one row per vote; add "
            "--options.shape list"
        )
    refuse_nested(path, table, [label])
    columns = {"utterance_id": pl.col(utterance), "label": text_column(label), "line": pl.col(LINE)}
    if "annotator" in found:
        columns["annotator_id"] = text_column(found["annotator"])
    if "weight" in found:
        columns["weight"] = pl.col(found["weight"]).cast(pl.Float64, strict=False)
    if "annotator_kind" in table.columns:  # a table that Ambivox exported
        columns["annotator_kind"] = text_column("annotator_kind")
    return table.select(**columns)


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
