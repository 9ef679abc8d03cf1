"""Which columns are labels, where the caller does not list them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from ambivox.models.api.counts import check_counts, check_inferred
from ambivox.models.api.frames import UTTERANCE, numbers, text
from ambivox.models.errors import UserError

# Columns of the results of ``pool`` and ``load_distributions`` beside the labels.
_OF_RESULTS = frozenset({"human_votes", "equivalent_votes", "prior_votes"})


def label_columns(frame: pl.DataFrame, voted: Collection[str] = ()) -> tuple[str, ...]:
    """The columns of numbers of a frame of distributions, without those that a result of ``pool`` has beside its labels.

    Args:
        frame: the frame.
        voted: labels that votes name, which are never left out.

    Examples:
        >>> label_columns(pl.DataFrame({"utterance_id": ["u"], "joy": [1.0], "joy_low": [0.5], "joy_high": [1.0]}))
        ('joy',)
    """
    beside = set(_OF_RESULTS)
    for column in frame.columns:
        ends = {f"{column}_low", f"{column}_high"}
        if ends <= set(frame.columns):
            beside |= ends
    beside -= set(voted)
    return tuple(
        column
        for column in frame.columns
        if column != UTTERANCE and column not in beside and frame[column].dtype.is_numeric()
    )


def infer_labels(votes: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The labels where none are listed: the columns of the first ALM's distributions, else those of the votes.

    Args:
        votes: votes in either form.
        frames: the ALMs' distributions.

    Raises:
        UserError: there are none, or a column cannot be one.

    Examples:
        >>> infer_labels(pl.DataFrame({"utterance_id": ["u", "u"], "label": ["joy", "anger"]}), {})
        ('anger', 'joy')
    """
    voted = set(text(votes, "label", "votes").unique().drop_nulls()) if "label" in votes.columns else set()
    for alm, frame in frames.items():
        labels = label_columns(frame, voted)
        if not labels:
            raise UserError(
                f"probabilities of {alm}: found no column of numbers among {', '.join(map(repr, frame.columns[:8]))}, "
                "expected one per label; votes are the first argument, probabilities the second"
            )
        if "label" in votes.columns:
            _check_used(labels, voted, frames)
        return labels
    if "label" in votes.columns:
        return tuple(sorted(voted))
    labels = tuple(column for column in label_columns(votes) if column != "annotator_id")
    if not labels:
        check_raters(votes)
        raise UserError(
            f"votes: found neither a column 'label' nor columns of numbers among {', '.join(map(repr, votes.columns[:8]))}, "
            "expected a row per vote, or the number of votes per label"
        )
    check_counts(votes, labels)
    check_inferred(votes, labels)
    return labels


def check_raters(votes: pl.DataFrame, labels: Collection[str] = ()) -> None:
    """Check that votes without a column ``label`` have no column per rater instead.

    Args:
        votes: the votes.
        labels: the labels, where they are known.

    Raises:
        UserError: columns of text hold the same names, or labels.

    Examples:
        >>> check_raters(pl.DataFrame({"utterance_id": ["u"], "joy": [2]}))
    """
    held = {
        column: set(votes[column].cast(pl.String).unique().drop_nulls())
        for column in votes.columns
        if column not in (UTTERANCE, "annotator_id")
        and votes[column].dtype in (pl.String, pl.Categorical, pl.Enum)
    }
    known = set(labels)
    raters = [
        column
        for column, names in held.items()
        if names
        and (names <= known or any(names & names_ for other, names_ in held.items() if other != column))
    ]
    if raters:
        raise UserError(
            f"votes: found no column 'label', but a column per rater ({', '.join(map(repr, raters[:5]))}), expected a row per "
            f"vote: votes.unpivot({raters[:5]}, index='{UTTERANCE}', variable_name='annotator_id', value_name='label') in "
            f"polars, votes.melt('{UTTERANCE}', {raters[:5]}, 'annotator_id', 'label') in pandas"
        )


def _check_used(labels: Collection[str], voted: Collection[str], frames: Mapping[str, pl.DataFrame]) -> None:
    """Refuse columns that no vote names and that are 0 everywhere, such as ``seed``."""
    for label in labels:
        if label in voted or not voted:
            continue
        columns = [
            numbers(frame, [label], f"probabilities of {alm}")[label]
            for alm, frame in frames.items()
            if label in frame.columns
        ]
        if all((column.fill_null(0.0) == 0).all() for column in columns) and any(map(len, columns)):
            raise UserError(
                f"probabilities: the column {label!r} is 0 everywhere, and no vote names it; list the labels (labels=...) if "
                "it is one, or leave the column out"
            )
