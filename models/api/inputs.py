"""Votes and ALMs' distributions as the arrays that pooling works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.frames import UTTERANCE, Frame, to_polars
from ambivox.models.errors import UserError
from ambivox.models.evaluation.human_targets import vote_squares
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.statistics.metrics import check_distributions
from ambivox.models.tables import Votes

_VOTE_COLUMNS = (UTTERANCE, "annotator_id", "label")


@dataclass(frozen=True)
class Inputs:
    """What was given, in one order.

    Attributes:
        ids: N utterances, sorted, so that random draws do not depend on the order of the rows.
        order: the order in which the utterances were given, those with votes first.
        labels: K labels.
        alms: A names.
        arrays: votes, distributions and speakers.
        vote_square_N: how whole the votes are, see ``vote_squares`` (models/evaluation/human_targets.py).
    """

    ids: pl.Series
    order: np.ndarray
    labels: tuple[str, ...]
    alms: tuple[str, ...]
    arrays: PoolingInputs
    vote_square_N: np.ndarray


def read_inputs(
    votes: Frame,
    probabilities: Frame | Mapping[str, Frame] | None,
    speakers: Frame | Mapping[str, str] | None,
    labels: Sequence[str] | None,
) -> Inputs:
    """Bring votes, distributions and speakers into one order.

    Args:
        votes: see ``ambivox.pool``.
        probabilities: see ``ambivox.pool``.
        speakers: see ``ambivox.pool``.
        labels: see ``ambivox.pool``.

    Raises:
        UserError: a frame lacks columns, labels do not fit together, or rows are no distributions.
    """
    vote_frame = to_polars(votes, "votes", _VOTE_COLUMNS)
    frames = _by_alm(probabilities)
    known = tuple(labels) if labels is not None else _labels(vote_frame, frames)
    table = read_votes(vote_frame, known)
    distributions = {alm: _distributions(frame, alm, known) for alm, frame in frames.items()}
    for alm, (alm_ids, _) in distributions.items():
        _check_common(vote_frame[UTTERANCE], alm_ids, alm)
    named = [
        vote_frame[UTTERANCE],
        *(pl.Series(ids) for ids, _ in distributions.values()),
    ]
    given = pl.concat([series.cast(pl.String).alias(UTTERANCE) for series in named]).unique(
        maintain_order=True
    )
    ids = given.sort()
    row_of = {utterance: row for row, utterance in enumerate(ids)}
    q_NAK = np.full((len(ids), len(distributions), len(known)), np.nan)
    for a, (alm_ids, p_MK) in enumerate(distributions.values()):
        q_NAK[[row_of[utterance] for utterance in alm_ids], a] = p_MK
    mass_NA = np.full(q_NAK.shape[:2], np.nan)
    speaker_N = _speakers(speakers, ids)
    order = np.array([row_of[utterance] for utterance in given])
    arrays = PoolingInputs(table.counts(ids), q_NAK, mass_NA, speaker_N)
    return Inputs(ids, order, known, tuple(distributions), arrays, vote_squares(table, ids))


def read_votes(frame: pl.DataFrame, labels: tuple[str, ...]) -> Votes:
    """Votes in one of two forms: a row per vote, or a row per utterance with a count per label.

    Args:
        frame: with the column ``utterance_id``, and either ``label`` (and ``annotator_id``, ``weight``), or a column
            per label.
        labels: K labels.

    Raises:
        UserError: it has neither form, or holds other labels or numbers that are no counts.
    """
    if "label" not in frame.columns:
        frame = _long_form(frame, labels)
    votes = frame.drop_nulls("label").with_columns(pl.col("label").cast(pl.String))
    if "annotator_id" not in votes.columns:  # every row is a vote of its own
        votes = votes.with_row_index("annotator_id")
    others = sorted(set(votes["label"].unique()) - set(labels))
    if others:
        raise UserError(
            f"votes: found the labels {', '.join(others[:5])}, expected {', '.join(labels)}; write them "
            "alike in all frames"
        )
    # The labels that one annotator gave to one utterance share the vote.
    share = 1 / pl.len().over(UTTERANCE, "annotator_id")
    weight = pl.col("weight").cast(pl.Float64) if "weight" in votes.columns else share
    columns = votes.select(
        UTTERANCE,
        pl.col("annotator_id").cast(pl.String),
        pl.lit("human").alias("annotator_kind"),
        "label",
        weight.alias("weight"),
    )
    return Votes.check(columns, labels)


def _long_form(frame: pl.DataFrame, labels: tuple[str, ...]) -> pl.DataFrame:
    absent = [label for label in labels if label not in frame.columns]
    if absent:
        raise UserError(
            f"votes: found neither a column 'label' nor a column per label ({', '.join(absent[:3])} are missing)"
        )
    counts_NK = frame.select(labels).cast(pl.Float64).fill_null(0.0).to_numpy()
    if not np.isfinite(counts_NK).all() or (counts_NK < 0).any():
        raise UserError(
            "votes: the columns of the labels must hold numbers of votes, found negative or infinite ones"
        )
    long = frame.select(UTTERANCE, *labels).unpivot(
        labels, index=UTTERANCE, variable_name="label", value_name="weight"
    )
    return long.with_columns(pl.col("weight").cast(pl.Float64).fill_null(0.0)).filter(pl.col("weight") > 0)


def _by_alm(probabilities: Frame | Mapping[str, Frame] | None) -> dict[str, pl.DataFrame]:
    if probabilities is None:
        return {}
    if isinstance(probabilities, Mapping) and UTTERANCE not in probabilities:
        return {str(alm): to_polars(frame, f"probabilities of {alm}") for alm, frame in probabilities.items()}
    if isinstance(probabilities, list | tuple) and any(hasattr(each, "columns") for each in probabilities):
        raise UserError(
            "probabilities: found a list of tables, expected one, or a mapping such as {'alm': table}"
        )
    return {"alm": to_polars(probabilities, "probabilities")}


def _labels(votes: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The labels where none are given: the columns of the ALM's distributions, else those of the votes."""
    for alm, frame in frames.items():
        numeric = tuple(
            column for column in frame.columns if column != UTTERANCE and frame[column].dtype.is_numeric()
        )
        if not numeric:
            raise UserError(
                f"probabilities of {alm}: found no column of numbers among {', '.join(map(repr, frame.columns[:8]))}, "
                "expected one per label; votes are the first argument, probabilities the second"
            )
        return numeric
    if "label" in votes.columns:
        return tuple(sorted(votes["label"].drop_nulls().cast(pl.String).unique()))
    return tuple(
        column for column in votes.columns if column != UTTERANCE and votes[column].dtype.is_numeric()
    )


def _distributions(frame: pl.DataFrame, alm: str, labels: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    absent = [label for label in labels if label not in frame.columns]
    if absent:
        raise UserError(f"probabilities of {alm}: found no column for the labels {', '.join(absent[:5])}")
    if frame[UTTERANCE].is_duplicated().any():
        raise UserError(f"probabilities of {alm}: an utterance occurs twice; average its rows first")
    answered = frame.drop_nulls(labels)
    try:
        p_NK = check_distributions(
            answered.select(labels).cast(pl.Float64).to_numpy(), f"probabilities of {alm}"
        )
    except UserError as error:
        raise UserError(
            f"{error}; the columns {', '.join(map(repr, labels[:12]))} were taken for labels: leave out those that are "
            "none, and divide probabilities that were rounded by their sum"
        ) from error
    return answered[UTTERANCE].to_list(), p_NK


def _check_common(voted: pl.Series, answered: list[str], alm: str) -> None:
    """An ALM whose utterances have no votes, as where ids are written in two ways, would be pooled unmeasured."""
    if answered and not voted.is_empty() and not voted.is_in(answered).any():
        raise UserError(
            f"votes and probabilities of {alm} have no {UTTERANCE} in common: found {voted[0]!r} in votes and "
            f"{answered[0]!r} in probabilities; write them alike"
        )


def _speakers(speakers: Any, ids: pl.Series) -> np.ndarray:
    """A number per speaker; an utterance whose speaker is not known counts as one."""
    if speakers is None:
        return np.arange(len(ids))
    if hasattr(speakers, "to_dict") and not hasattr(speakers, "columns"):
        speakers = speakers.to_dict()  # a pandas Series of speakers by utterance
    if isinstance(speakers, Mapping) and UTTERANCE not in speakers:
        names = {str(utterance): str(speaker) for utterance, speaker in speakers.items()}
    else:
        frame = to_polars(speakers, "speakers", (UTTERANCE, "speaker"))
        if "speaker" not in frame.columns:
            raise UserError("speakers: found no column 'speaker'")
        names = dict(frame.select(UTTERANCE, pl.col("speaker").cast(pl.String)).drop_nulls().iter_rows())
    return np.unique([names.get(utterance, "\0" + utterance) for utterance in ids], return_inverse=True)[1]
