"""Votes in one of two forms as the checked table of votes."""

from __future__ import annotations

import polars as pl

from ambivox.models.api.counts import check_counts
from ambivox.models.api.frames import UTTERANCE, numbers, text
from ambivox.models.api.label_columns import check_raters
from ambivox.models.errors import UserError
from ambivox.models.ingestion.labels import normalise_weights
from ambivox.models.tables import Votes


def read_votes(frame: pl.DataFrame, labels: tuple[str, ...]) -> Votes:
    """Votes in one of two forms: a row per vote, or a row per utterance with a count per label.

    Where ``annotator_id`` is given, the labels that one annotator gives to one utterance share one vote; ``weight`` says how.

    Args:
        frame: with the column ``utterance_id``, and either ``label`` (and ``annotator_id``, ``weight``), or a column
            per label.
        labels: K labels.

    Raises:
        UserError: it has neither form, or holds other labels or numbers that are no counts.

    Examples:
        >>> rows = {"utterance_id": ["u", "u"], "annotator_id": ["r", "r"], "label": ["joy", "anger"], "weight": [1, 3]}
        >>> read_votes(pl.DataFrame(rows), ("anger", "joy")).frame["weight"].to_list()
        [0.25, 0.75]
    """
    if "label" not in frame.columns:
        frame = _long_form(frame, labels)
    elif frame["label"].dtype.is_float():
        frame = frame.with_columns(pl.col("label").fill_nan(None))
    votes = frame.with_columns(text(frame, "label", "votes")).drop_nulls("label")
    _check_labels(votes, labels)
    is_named = "annotator_id" in votes.columns
    if not is_named:  # every row is a vote of its own
        votes = votes.with_row_index("annotator_id")
    columns = votes.select(
        UTTERANCE,
        text(votes, "annotator_id", "votes"),
        pl.lit("human").alias("annotator_kind"),
        "label",
        _weights(votes).alias("weight"),
    )
    return Votes.check(normalise_weights(columns) if is_named else columns, labels)


def _check_labels(votes: pl.DataFrame, labels: tuple[str, ...]) -> None:
    others = sorted(set(votes["label"].unique()) - set(labels))
    blank = [label for label in others if not label.strip()]
    if blank:
        utterance = votes.filter(pl.col("label") == blank[0])[UTTERANCE][0]
        raise UserError(
            f"votes: found an empty label ({UTTERANCE} {utterance!r}), expected {', '.join(labels[:12])}; leave out the rows "
            "in which nobody voted, or make the label null"
        )
    if others:
        raise UserError(
            f"votes: found the labels {', '.join(others[:5])}, expected {', '.join(labels)}; write them "
            "alike in all frames"
        )


def _weights(votes: pl.DataFrame) -> pl.Series:
    if "weight" not in votes.columns:
        return pl.repeat(1.0, votes.height, eager=True)
    weights = numbers(votes, ["weight"], "votes")["weight"]
    bad_M = weights.is_null() | (weights <= 0) | weights.is_infinite()
    if bad_M.any():
        row = int(bad_M.fill_null(True).arg_true()[0])
        raise UserError(
            f"votes: the column 'weight' holds {votes['weight'][row]} ({UTTERANCE} {votes[UTTERANCE][row]!r}), expected positive "
            "numbers; leave out the rows that are no votes"
        )
    return weights


def _long_form(frame: pl.DataFrame, labels: tuple[str, ...]) -> pl.DataFrame:
    absent = [label for label in labels if label not in frame.columns]
    if absent:
        check_raters(frame, labels)
        raise UserError(
            f"votes: found neither a column 'label' nor a column per label ({', '.join(absent[:3])} are missing)"
        )
    names = [UTTERANCE, *(["annotator_id"] if "annotator_id" in frame.columns else [])]
    counts = frame.select(names).hstack(check_counts(frame, labels))
    long = counts.unpivot(labels, index=names, variable_name="label", value_name="weight")
    return long.filter(pl.col("weight") > 0)
