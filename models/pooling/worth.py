"""What an ALM is worth in human votes: an exchange rate, measured on utterances with several votes.

Pooling n human votes with the corpus prior and the ALM has some proper score. Pooling n + j votes with the prior but
without an ALM has another, which improves with j. The ALM is worth the k further votes at which both are equal
(models/statistics/exchange_rate.py). An ALM that says no more than the prior is worth 0.

Known votes are drawn from an utterance's votes, and the others are the target. Models are fitted on other speakers than
they are scored on; those without an ALM are fitted anew for every number of votes, so that they are as good as they can
be. Intervals are over the scored speakers; how much the fit itself varies is not in them: in a simulation with 15
speakers a nominal 0.95 covers 0.87 to 0.90, and 0.92 to 0.98 where models come from other speakers, as in the trial
(``python -m benchmarks.coverage``). Where utterances have no more votes than n + 1, or the ALM is worth more votes than there are, the curve is
extrapolated by the Dirichlet-multinomial of the corpus's votes, to at most twice as many votes as there are; the rate
says so, and is "more than" that limit beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import TERTILES, tertiles
from ambivox.models.statistics.dirichlet_multinomial import fit_dirichlet
from ambivox.models.statistics.exchange_rate import ExchangeRate, exchange_rate
from ambivox.models.statistics.metrics import entropy
from ambivox.models.statistics.vote_draws import draw_votes

SCORES = ("nll", "squared_error")
_MOST_MEASURED = 10  # further votes up to which it is measured
_DRAWS = 8  # of the known votes
_MOST_ROWS_WITHOUT = 1_500  # utterances of a fit without ALMs, which has few parameters
_FLOOR = 1e-12  # of a probability before its logarithm is taken

Fit = Callable[[tuple[int, ...], PoolingInputs, int], PoolingModel]


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


@dataclass(frozen=True)
class ScoreCurves:
    """Scores of N utterances with the ALM, and without it by number of further votes.

    Attributes:
        with_alm: ``score_N`` by score.
        without_alm: ``score_NJ`` by score, with 0 to J - 1 further votes.
        entropy_N: of what the model with the ALM predicts without votes.
        inputs: the utterances.
    """

    with_alm: dict[str, np.ndarray]
    without_alm: dict[str, np.ndarray]
    entropy_N: np.ndarray
    inputs: PoolingInputs


def measure_worth(
    alms: Sequence[str],
    inputs: PoolingInputs,
    votes_in_use: float,
    fit: Fit,
    *,
    folds: int = 5,
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
    return worth(alm, plan[0], joined(parts))


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
    small = train.sample(_MOST_ROWS_WITHOUT, seed)
    without = [fit((), small, votes + j) for j in range(further + 1)]
    return score_curves(fit((a,), train, votes), without, test.with_alms((a,)), votes, seed=seed)


def cross_fitted_nll(
    alms: tuple[int, ...],
    inputs: PoolingInputs,
    votes_in_use: float,
    fit: Fit,
    *,
    folds: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """The nll of every utterance's votes that were not pooled, under models of other speakers.

    Args:
        alms: numbers of the ALMs that are pooled with the votes; none is allowed.
        inputs: the utterances, each with a vote.
        votes_in_use: human votes that are pooled; one less than all where an utterance has no more than these.
        fit: see ``measure_worth``.
        folds: of the cross-fitting; no more than there are speakers. A single speaker is scored under its own model.
        seed: of the folds and of the draws, which are the same for all ALMs.

    Returns:
        ``nll_N`` in nats per vote.
    """
    rows = len(inputs.n_NK)
    slots_N = inputs.slots_NK.sum(1)
    keep_N = np.minimum(max(round(votes_in_use), 1), slots_N - 1)
    nll_N = np.zeros(rows)
    for is_test_N in speaker_folds(inputs.speaker_N, folds, seed):
        train = inputs.rows(~is_test_N) if not is_test_N.all() else inputs
        model = fit(alms, train, int(np.median(keep_N)))
        test = inputs.rows(is_test_N).with_alms(alms)
        for draw in range(_DRAWS):
            rng = np.random.default_rng([seed, draw])
            known_NK = draw_votes(test.n_NK, keep_N[is_test_N], rng, test.slots_NK)
            nll_N[is_test_N] += _scores(model, test, known_NK)["nll"] / _DRAWS
    return nll_N


def speaker_folds(speaker_N: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Masks of the utterances of each fold of speakers.

    Args:
        speaker_N: a number per speaker.
        folds: their number; no more than there are speakers.
        seed: of the order in which speakers are dealt to folds.
    """
    speakers = np.random.default_rng(seed).permutation(np.unique(speaker_N))
    return [np.isin(speaker_N, fold_S) for fold_S in np.array_split(speakers, min(folds, len(speakers)))]


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


def score_curves(
    with_alm: PoolingModel,
    without_alm: Sequence[PoolingModel],
    inputs: PoolingInputs,
    votes: int,
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> ScoreCurves:
    """Score utterances with the ALM, and without it with further votes; all on the same draws of votes.

    Args:
        with_alm: fitted on other speakers.
        without_alm: J models of humans + prior, for 0 to J - 1 further votes.
        inputs: utterances; those with fewer than ``votes + J`` votes are left out.
        votes: known human votes.
        draws: of the known votes; scores are averaged over them.
        seed: of the draws.

    Returns:
        The scores. ``squared_error`` lacks the sum of the squared true probabilities, which all have in common.
    """
    further = len(without_alm)
    inputs = inputs.rows(inputs.slots_NK.sum(1) >= votes + further)
    rows = len(inputs.n_NK)
    level = {score: np.zeros(rows) for score in SCORES}
    curve = {score: np.zeros((rows, further)) for score in SCORES}
    nothing = inputs.with_alms(())
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        known_NK = draw_votes(inputs.n_NK, np.full(rows, votes), rng, inputs.slots_NK)
        for score, score_N in _scores(with_alm, inputs, known_NK).items():
            level[score] += score_N / draws
        for j, model in enumerate(without_alm):
            if j:
                known_NK = _with_one_more(inputs, known_NK, rng)
            for score, score_N in _scores(model, nothing, known_NK).items():
                curve[score][:, j] += score_N / draws
    p_NK = pool(with_alm, np.zeros_like(inputs.n_NK), inputs.q_NAK, inputs.label_mass_NA).p_NK
    return ScoreCurves(level, curve, entropy(p_NK) if rows else np.zeros(0), inputs)


def _with_one_more(inputs: PoolingInputs, known_NK: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The known votes and one of the others."""
    weight_NK = inputs.n_NK / np.maximum(inputs.slots_NK, 1)
    known_slots_NK = np.rint(known_NK / np.where(weight_NK > 0, weight_NK, 1))
    rest_NK = np.maximum(inputs.n_NK - known_NK, 0)
    return known_NK + draw_votes(rest_NK, np.ones(len(rest_NK)), rng, inputs.slots_NK - known_slots_NK)


def _scores(model: PoolingModel, inputs: PoolingInputs, known_NK: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of the distributions pooled from ``known_NK``, against all other votes."""
    rest_NK = np.maximum(inputs.n_NK - known_NK, 0)
    share_NK = rest_NK / rest_NK.sum(1, keepdims=True)
    p_NK = pool(model, known_NK, inputs.q_NAK, inputs.label_mass_NA).p_NK
    return {
        "nll": -(share_NK * np.log(np.maximum(p_NK, _FLOOR))).sum(1),
        "squared_error": (p_NK**2).sum(1) - 2 * (p_NK * share_NK).sum(1),
    }


def joined(parts: Sequence[ScoreCurves]) -> ScoreCurves:
    """The curves of all folds.

    Args:
        parts: of disjoint utterances.
    """
    fields = [part.inputs for part in parts]
    return ScoreCurves(
        {score: np.concatenate([part.with_alm[score] for part in parts]) for score in SCORES},
        {score: np.concatenate([part.without_alm[score] for part in parts]) for score in SCORES},
        np.concatenate([part.entropy_N for part in parts]),
        PoolingInputs(
            np.concatenate([part.n_NK for part in fields]),
            np.concatenate([part.q_NAK for part in fields]),
            np.concatenate([part.label_mass_NA for part in fields]),
            np.concatenate([part.speaker_N for part in fields]),
        ),
    )


def worth(alm: str, votes: int, curves: ScoreCurves) -> Worth:
    """The exchange rates of an ALM, overall and by ambiguity.

    Args:
        alm: its name.
        votes: known human votes.
        curves: the scores.
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


def expected_improvement(n_NK: np.ndarray, votes: int, further: int) -> dict[str, np.ndarray]:
    """What 1 to ``further`` votes beyond ``votes`` add to the scores of the best prediction without an ALM.

    Where utterances differ as a Dirichlet with the parameters alpha says, the best prediction from v votes for each
    label c_k is ``(alpha_k + c_k) / (A + v)``, A the sum of alpha. Given a next vote for k, c_k is beta-binomial.

    Args:
        n_NK: votes that alpha is fitted to.
        votes: v before the further ones.
        further: E.

    Returns:
        ``further_E`` by score, negative and decreasing.
    """
    alpha_K = fit_dirichlet(n_NK)
    total, mean_K = alpha_K.sum(), alpha_K / alpha_K.sum()
    votes_V = np.arange(votes, votes + further + 1)
    nll_V = np.zeros(len(votes_V))
    for i, v in enumerate(votes_V):
        count_C = np.arange(v + 1)
        chance_KC = np.stack([betabinom.pmf(count_C, v, alpha + 1, total - alpha) for alpha in alpha_K])
        log_KC = np.log((alpha_K[:, None] + count_C) / (total + v))
        nll_V[i] = -(mean_K[:, None] * chance_KC * log_KC).sum()
    squared_V = (mean_K * (1 - mean_K)).sum() * total / ((total + 1) * (total + votes_V))
    return {"nll": nll_V[1:] - nll_V[0], "squared_error": squared_V[1:] - squared_V[0]}
