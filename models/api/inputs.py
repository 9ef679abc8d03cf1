"""Votes and ALMs' distributions as the arrays that pooling works on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.api.arguments import check_result_columns, label_names
from ambivox.models.api.frames import UTTERANCE, Frame, numbers, to_polars
from ambivox.models.api.label_columns import infer_labels
from ambivox.models.api.speakers import speaker_numbers
from ambivox.models.api.votes import read_votes
from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.evaluation.human_targets import vote_squares
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.statistics.metrics import check_distributions
from ambivox.models.tables.label_names import OTHER_COLUMNS

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
    are_alms: bool = True,
) -> Inputs:
    """Bring votes, distributions and speakers into one order.

    Args:
        votes: see ``ambivox.pool``.
        probabilities: see ``ambivox.pool``.
        speakers: see ``ambivox.pool``.
        labels: see ``ambivox.pool``.
        are_alms: whether the distributions are of ALMs, and hold no human votes.

    Raises:
        UserError: a frame lacks columns, labels do not fit together, or rows are no distributions.
    """
    vote_frame = to_polars(votes, "votes", _VOTE_COLUMNS)
    frames = _by_alm(probabilities)
    if are_alms:
        _warn_of_pooled(frames)
    known = label_names(labels) if labels is not None else infer_labels(vote_frame, frames)
    check_result_columns(known, OTHER_COLUMNS)
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
    speaker_N = speaker_numbers(speakers, ids)
    order = np.array([row_of[utterance] for utterance in given])
    arrays = PoolingInputs(table.counts(ids), q_NAK, mass_NA, speaker_N)
    return Inputs(ids, order, known, tuple(distributions), arrays, vote_squares(table, ids))


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


def _distributions(frame: pl.DataFrame, alm: str, labels: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    absent = [label for label in labels if label not in frame.columns]
    if absent:
        raise UserError(f"probabilities of {alm}: found no column for the labels {', '.join(absent[:5])}")
    if frame[UTTERANCE].is_duplicated().any():
        raise UserError(f"probabilities of {alm}: an utterance occurs twice; average its rows first")
    name = f"probabilities of {alm}"
    p_NK = numbers(frame, labels, name)
    is_null_NK = p_NK.select(pl.all().is_null()).to_numpy()
    answered_N = np.asarray(~is_null_NK.all(1))
    _check_complete(frame[UTTERANCE], is_null_NK, answered_N, labels, name)
    try:
        p_MK = check_distributions(p_NK.filter(pl.Series(answered_N)).to_numpy(), name)
    except UserError as error:
        raise UserError(
            f"{error}; the columns {', '.join(map(repr, labels[:12]))} were taken for labels: leave out those that are "
            "none, and divide probabilities that were rounded by their sum"
        ) from error
    return frame[UTTERANCE].filter(pl.Series(answered_N)).to_list(), p_MK


def _warn_of_pooled(frames: Mapping[str, pl.DataFrame]) -> None:
    for alm, frame in frames.items():
        if (
            "human_votes" in frame.columns
            and frame["human_votes"].dtype.is_numeric()
            and (frame["human_votes"] > 0).any()
        ):
            warnings.warn(
                f"probabilities of {alm} hold human votes already (column 'human_votes'), which would count twice; give the "
                "ALM's own distributions",
                stacklevel=4,
            )


def _check_complete(
    ids: pl.Series, is_null_NK: np.ndarray, answered_N: np.ndarray, labels: tuple[str, ...], name: str
) -> None:
    """Only a row without any number is of an ALM that did not answer; a row without some would be lost with its answer."""
    partly_N = is_null_NK.any(1) & answered_N
    if partly_N.any():
        row = int(np.flatnonzero(partly_N)[0])
        raise UserError(
            f"{name}: {counted(int(partly_N.sum()), 'row has', 'rows have')} no number for some labels, such as "
            f"{labels[int(np.flatnonzero(is_null_NK[row])[0])]!r} of {ids[row]!r}, expected one for each, or for none where the ALM "
            "did not answer; where 0 is meant, fill it in: fillna(0) in pandas, fill_null(0) in polars"
        )


def _check_common(voted: pl.Series, answered: list[str], alm: str) -> None:
    """An ALM whose utterances have no votes, as where ids are written in two ways, would be pooled unmeasured."""
    if not answered or voted.is_empty():
        return
    votes, answers = set(voted.unique()), set(answered)
    common = len(votes & answers)
    if not common:
        raise UserError(
            f"votes and probabilities of {alm} have no {UTTERANCE} in common: found {voted[0]!r} in votes and "
            f"{answered[0]!r} in probabilities; write them alike"
        )
    if 2 * common < len(votes):
        only_voted = next(utterance for utterance in voted if utterance not in answers)
        only_answered = next((utterance for utterance in answered if utterance not in votes), None)
        other = "" if only_answered is None else f", {only_answered!r} only in probabilities"
        warnings.warn(
            f"only {common:,} of {counted(len(votes), 'utterance')} with votes have probabilities of {alm}: found "
            f"{only_voted!r} only in votes{other}; write the names alike where they mean the same",
            stacklevel=4,
        )
