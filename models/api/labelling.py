"""``ambivox.plan_labels``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ambivox.models.api.arguments import whole_number
from ambivox.models.api.frames import UTTERANCE, Frame, like
from ambivox.models.api.inputs import read_inputs
from ambivox.models.api.pooling import fit
from ambivox.models.counted import counted
from ambivox.models.pooling.allocation import MOST_PER_UTTERANCE, plan


def plan_labels(
    votes: Frame,
    probabilities: Frame | Mapping[str, Frame] | None = None,
    *,
    budget: int,
    speakers: Frame | Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> Any:
    """Spend a budget of further human votes where they are expected to lower the squared error of pooled distributions most.

    Args:
        votes: see ``pool``.
        probabilities: see ``pool``; utterances without votes can be planned for, too.
        budget: the number of further votes; an utterance gets at most 20, and a warning says when fewer are planned.
        speakers: see ``pool``.
        labels: see ``pool``.
        seed: see ``pool``.

    Returns:
        A frame like ``votes``, largest gain first: ``utterance_id``, ``votes`` to collect, and ``expected_fall``
        of the squared error by the first of them. Utterances that get none are left out.

    Raises:
        UserError: see ``pool``, or a budget that is no whole number of at least 1.
    """
    budget, seed = whole_number(budget, "budget", 1), whole_number(seed, "seed", 0)
    given = read_inputs(votes, probabilities, speakers, labels)
    model = fit(given, given.arrays, "likelihood", seed)
    votes_N, fall_N = plan(model, given.arrays, budget)
    if votes_N.sum() < budget:
        warnings.warn(
            f"planned {counted(int(votes_N.sum()), 'vote')} of a budget of {budget:,}: "
            f"{counted(len(votes_N), 'utterance gets', 'utterances get')} at most {MOST_PER_UTTERANCE} each",
            stacklevel=2,
        )
    planned = pl.DataFrame({UTTERANCE: given.ids, "votes": votes_N, "expected_fall": fall_N})
    planned = planned.filter(pl.col("votes") > 0).sort("expected_fall", UTTERANCE, descending=[True, False])
    return like(planned, votes)
