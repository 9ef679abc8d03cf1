"""What an ALM is worth in human votes: an exchange rate, measured on utterances with several votes.

Pooling n human votes with the mixture and the ALM has some proper score. Pooling n + j votes with the mixture but
without an ALM has another, which improves with j. The ALM is worth the k further votes at which both are equal
(models/statistics/exchange_rate.py). An ALM that says no more than the mixture is worth 0.

Known votes are drawn from an utterance's votes, and the others are the target. Models are fitted on other speakers than
they are scored on, and hold for any number of votes. Intervals are over the scored speakers, and wider where the models are
fitted on the others of the same speakers (``cross_fitting_widening``; ``python -m benchmarks.coverage`` measures their
coverage). Where utterances have no more votes than n + 1, or the ALM is worth more votes than there are, the curve is
extrapolated by the Dirichlet-multinomial of the corpus's votes, to at most twice as many votes as there are; the rate
says so, and is "more than" that limit beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.score_curves import (
    FOLDS,
    SCORES,
    Fit,
    ScoreCurves,
    expected_improvement,
    joined,
    score_curves,
    speaker_folds,
)
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.exchange_rate import ExchangeRate, exchange_rate
from ambivox.models.statistics.intervals import cross_fitting_widening

_MOST_MEASURED = 10  # further votes up to which it is measured


@dataclass(frozen=True)
class Worth:
    """What one ALM, or all together, are worth in human votes.

    Attributes:
        alm: its name.
        votes: human votes per utterance that the ALM's answer is added to.
        utterances: on which it was measured.
        speakers: of these utterances.
        overall: the rate by score.
        by_ambiguity: the rate by score and tertile. The tertiles are of the entropy of what the model predicts
            without any of the utterance's votes.
    """

    alm: str
    votes: int
    utterances: int
    speakers: int
    overall: dict[str, ExchangeRate]
    by_ambiguity: dict[str, dict[str, ExchangeRate]]


def measure_worth(
    alms: Sequence[str],
    inputs: PoolingInputs,
    votes_in_use: float,
    fit: Fit,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> tuple[Worth | None, ...]:
    """The worth of every ALM alone, by cross-fitting over speakers.

    Args:
        alms: A names, in the order of ``inputs.q_NAK``.
        inputs: utterances of the speakers that models are fitted on.
        votes_in_use: human votes per utterance that the ALMs are used with; with fewer votes here, one less than these.
        fit: fits a model with some of the ALMs (given by their numbers; none is allowed) on utterances, for use with a
            number of votes.
        folds: of the cross-fitting; no more than there are speakers.
        seed: of the folds and of the draws.

    Returns:
        A worth per ALM; None where it cannot be measured: fewer than two speakers, or no answered utterance with two
        votes.
    """
    return tuple(
        _measure(a, alm, inputs, votes_in_use, fit, folds, seed)
        for a, alm in enumerate(track(alms, "worth in human votes", len(alms)))
    )


def _measure(
    a: int, alm: str, inputs: PoolingInputs, votes_in_use: float, fit: Fit, folds: int, seed: int
) -> Worth | None:
    inputs = inputs.rows(np.isfinite(inputs.q_NAK[:, a]).all(1))
    plan = measurable(inputs.slots_NK, votes_in_use)
    if plan is None or len(np.unique(inputs.speaker_N)) < 2:
        return None
    parts = [
        _fold_curves(a, inputs.rows(~is_test_N), inputs.rows(is_test_N), plan, fit, seed)
        for is_test_N in speaker_folds(inputs.speaker_N, folds, seed)
    ]
    return worth(alm, plan[0], joined(parts), cross_fitting_widening(len(parts)))


def transferred_worth(
    alm: str,
    a: int,
    train: PoolingInputs,
    test: PoolingInputs,
    plan: tuple[int, int],
    fit: Fit,
    *,
    seed: int = 0,
) -> Worth:
    """The worth of an ALM on the speakers of ``test``, with models fitted on those of ``train``.

    Args:
        alm: its name.
        a: its number.
        train: utterances to fit on.
        test: answered utterances of other speakers.
        plan: known and further votes, see ``measurable``.
        fit: see ``measure_worth``.
        seed: of the draws.
    """
    return worth(alm, plan[0], _fold_curves(a, train, test, plan, fit, seed))


def _fold_curves(
    a: int, train: PoolingInputs, test: PoolingInputs, plan: tuple[int, int], fit: Fit, seed: int
) -> ScoreCurves:
    votes, further = plan
    models = fit((a,), train, votes), fit((), train, votes)
    return score_curves(*models, test.with_alms((a,)), votes, further, seed=seed)


def measurable(slots_NK: np.ndarray, votes_in_use: float) -> tuple[int, int] | None:
    """How many votes can be known, and how many further ones can be added, where half the utterances take part.

    Args:
        slots_NK: human votes, each counted as one whatever its weight.
        votes_in_use: how many should be known.

    Returns:
        ``(votes, further)`` with ``votes + further + 1`` votes on at least half of the utterances that have two; None
        where none has two.

    Examples:
        >>> measurable(np.array([[5.0, 5.0], [6.0, 4.0], [1.0, 1.0]]), 3), measurable(np.array([[2.0, 1.0]]), 3)
        ((3, 6), (2, 0))
    """
    slots_N = slots_NK.sum(1)
    slots_N = slots_N[slots_N >= 2]
    if not len(slots_N):
        return None
    available = int(np.quantile(slots_N, 0.5, method="lower"))
    votes = min(max(round(votes_in_use), 1), available - 1)
    return votes, min(available - 1 - votes, _MOST_MEASURED)


def worth(alm: str, votes: int, curves: ScoreCurves, widening: float = 1.0) -> Worth:
    """The exchange rates of an ALM, overall and by ambiguity.

    Args:
        alm: its name.
        votes: known human votes.
        curves: the scores.
        widening: of the intervals, see ``exchange_rate``.
    """
    speaker_N, n_NK = curves.inputs.speaker_N, curves.inputs.n_NK
    tertile_N = tertiles(curves.entropy_N)
    masks = {"overall": np.ones(len(n_NK), dtype=bool)}
    masks |= {name: tertile_N == number for number, name in enumerate(TERTILES)}
    rates: dict[str, dict[str, ExchangeRate]] = {}
    for name, mask_N in masks.items():
        measured = next(iter(curves.without_alm.values())).shape[1] - 1
        available = votes + measured + 1  # the curve is extrapolated to twice as many votes as there are
        further = expected_improvement(n_NK[mask_N], votes + measured, available + 1)
        rates[name] = {
            score: exchange_rate(
                curves.with_alm[score][mask_N],
                curves.without_alm[score][mask_N],
                speaker_N[mask_N],
                further_E=further[score],
                widening=widening,
            )
            for score in SCORES
        }
    return Worth(
        alm,
        votes,
        len(n_NK),
        len(np.unique(speaker_N)),
        rates.pop("overall"),
        {score: {name: by_score[score] for name, by_score in rates.items()} for score in SCORES},
    )
