"""``ambivox.validate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.frames import Frame, like
from ambivox.models.api.inputs import read_inputs
from ambivox.models.errors import UserError
from ambivox.models.evaluation.rows import metric_row


def validate(
    votes: Frame,
    distributions: Frame | Mapping[str, Frame],
    *,
    speakers: Frame | Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
) -> Any:
    """Score distributions against human votes that were not used to make them.

    Args:
        votes: held-out votes, in a form that ``pool`` takes.
        distributions: a row per utterance with a probability per label; a mapping from names to such frames to compare
            several. Further columns are ignored if ``labels`` are given; those that a result of ``pool`` has beside its labels, always.
        speakers: see ``pool``; intervals are over speakers.
        labels: see ``pool``.

    Returns:
        A frame like ``votes`` with a row per frame of distributions: ``source``, the proper scores ``nll`` and
        ``squared_error``, ``js``, ``bc``, ``accuracy``, ``f1_macro``, ``ece`` and others; the ends of the 95 % intervals
        are in ``*_low`` and ``*_high``. Only utterances with votes are scored.

    Raises:
        UserError: see ``pool``, or no utterance has both.
    """
    given = read_inputs(votes, distributions, speakers, labels, are_alms=False)
    voted_N = given.arrays.n_NK.sum(1) > 0
    speaker_N = None if speakers is None else [str(speaker) for speaker in given.arrays.speaker_N[voted_N]]
    rows = []
    for a, source in enumerate(given.alms):
        q_NK = given.arrays.q_NAK[voted_N, a]
        if not np.isfinite(q_NK).all(1).any():
            raise UserError(f"{source}: found no utterance that has both votes and a distribution")
        row = metric_row(
            given.arrays.n_NK[voted_N],
            q_NK,
            vote_square_N=given.vote_square_N[voted_N],
            speakers_N=speaker_N,
        )
        rows.append({"source": source} | {name: float(value) for name, value in row.items()})
    return like(pl.DataFrame(rows), votes)
