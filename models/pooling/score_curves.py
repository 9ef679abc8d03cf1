"""Proper scores of pooled votes by number of known votes, with an ALM and without it.

Known votes are drawn from an utterance's votes, and the others are the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.dirichlet_multinomial import fit_dirichlet
from ambivox.models.statistics.metrics import entropy
from ambivox.models.statistics.vote_draws import draw_votes, whole_votes

SCORES = ("nll", "squared_error")
FOLDS = 5  # of speakers
_DRAWS = 8  # of the known votes
_FLOOR = 1e-12  # of a probability before its logarithm is taken

# Fits a model with some of the ALMs (given by their numbers) on utterances, for use with a number of votes.
Fit = Callable[[tuple[int, ...], PoolingInputs, int], PoolingModel]


@dataclass(frozen=True)
class ScoreCurves:
    """Scores of N utterances with the ALM, and without it by number of further votes.

    Attributes:
        with_alm: ``score_N`` by score.
        without_alm: ``score_NJ`` by score, with 0 to J - 1 further votes, from one model for any number of them.
        entropy_N: of what the model with the ALM predicts without votes.
        inputs: the utterances.
    """

    with_alm: dict[str, np.ndarray]
    without_alm: dict[str, np.ndarray]
    entropy_N: np.ndarray
    inputs: PoolingInputs


def score_curves(
    with_alm: PoolingModel,
    without_alm: PoolingModel,
    inputs: PoolingInputs,
    votes: int,
    further: int,
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> ScoreCurves:
    """Score utterances with the ALM, and without it with further votes; all on the same draws of votes.

    Args:
        with_alm: fitted on other speakers.
        without_alm: the same without the ALM.
        inputs: utterances; those with no more than ``votes + further`` votes are left out.
        votes: known human votes.
        further: the most further votes without the ALM.
        draws: of the known votes; scores are averaged over them.
        seed: of the draws.

    Returns:
        The scores. ``squared_error`` lacks the sum of the squared true probabilities, which all have in common.
    """
    inputs = inputs.rows(inputs.slots_NK.sum(1) > votes + further)
    rows = len(inputs.n_NK)
    level = {score: np.zeros(rows) for score in SCORES}
    curve = {score: np.zeros((rows, further + 1)) for score in SCORES}
    nothing = inputs.with_alms(())
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        known_NK = draw_votes(inputs.n_NK, np.full(rows, votes), rng, inputs.slots_NK)
        for score, score_N in _scores(with_alm, inputs, known_NK).items():
            level[score] += score_N / draws
        for j in range(further + 1):
            if j:
                known_NK = _with_one_more(inputs, known_NK, rng)
            for score, score_N in _scores(without_alm, nothing, known_NK).items():
                curve[score][:, j] += score_N / draws
    p_NK = pool(with_alm, np.zeros_like(inputs.n_NK), inputs.q_NAK, inputs.label_mass_NA).p_NK
    return ScoreCurves(level, curve, entropy(p_NK) if rows else np.zeros(0), inputs)


def _with_one_more(inputs: PoolingInputs, known_NK: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The known votes and one of the others."""
    rest_NK, slots_NK = np.maximum(inputs.n_NK - known_NK, 0), whole_votes(inputs.unknown_votes(known_NK))
    return known_NK + draw_votes(rest_NK, np.ones(len(rest_NK)), rng, slots_NK)


def _scores(model: PoolingModel, inputs: PoolingInputs, known_NK: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of the distributions pooled from ``known_NK``, against all other votes, each rater counting alike."""
    rest_NK = inputs.unknown_votes(known_NK)
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
    return ScoreCurves(
        {score: np.concatenate([part.with_alm[score] for part in parts]) for score in SCORES},
        {score: np.concatenate([part.without_alm[score] for part in parts]) for score in SCORES},
        np.concatenate([part.entropy_N for part in parts]),
        PoolingInputs.concatenate([part.inputs for part in parts]),
    )


def cross_fitted_nll(
    alms: tuple[int, ...],
    inputs: PoolingInputs,
    votes_in_use: float,
    fit: Fit,
    *,
    folds: int = FOLDS,
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
