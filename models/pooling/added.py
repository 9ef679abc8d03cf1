"""What each of several ALMs adds to the others: the nll of pooling without it, less that of pooling with all of them.

Measured on votes that are not pooled, with models fitted on other speakers.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.score_curves import FOLDS, Fit, cross_fitted_nll
from ambivox.models.statistics.intervals import Interval, cross_fitting_widening, mean_interval


def measure_added(
    alms: int, inputs: PoolingInputs, votes_in_use: float, fit: Fit, *, seed: int = 0
) -> tuple[Interval | None, ...]:
    """What every ALM adds, in nats per vote.

    Args:
        alms: their number A.
        inputs: utterances of the speakers that models are fitted on.
        votes_in_use: human votes per utterance that the ALMs are used with.
        fit: see ``measure_worth``.
        seed: of the folds and of the draws.

    Returns:
        The mean with its 95 % interval over speakers, per ALM; None where there is one ALM only, or fewer than two
        speakers with two votes on an utterance.
    """
    inputs = inputs.rows(inputs.slots_NK.sum(1) > 1)
    speakers = len(np.unique(inputs.speaker_N))
    if alms < 2 or speakers < 2:
        return (None,) * alms
    everyone = tuple(range(alms))
    with_all_N = cross_fitted_nll(everyone, inputs, votes_in_use, fit, seed=seed)
    added = []
    for a in everyone:
        others = tuple(other for other in everyone if other != a)
        without_N = cross_fitted_nll(others, inputs, votes_in_use, fit, seed=seed)
        difference = mean_interval(without_N - with_all_N, inputs.speaker_N)
        added.append(difference.widened(cross_fitting_widening(min(FOLDS, speakers))))
    return tuple(added)
