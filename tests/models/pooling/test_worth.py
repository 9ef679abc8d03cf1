"""Worth in human votes: its closed form, nothing for a constant prior, few votes, one speaker."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel
from ambivox.models.pooling.score_curves import expected_improvement
from ambivox.models.pooling.worth import measurable, measure_worth
from tests.support.pooling_tables import SimulatedCorpus, label_names, simulated_corpus


def _fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
    names = [f"alm{a}" for a in alms]
    labels = label_names(part.n_NK.shape[1])
    return fit_pooling(labels, names, part.with_alms(alms), np.full(1, float(known)))


def _answering(corpus: SimulatedCorpus, q_NK: np.ndarray) -> PoolingInputs:
    rows = len(q_NK)
    return PoolingInputs(corpus.n_NK, q_NK[:, None], np.ones((rows, 1)), corpus.speaker_N)


def test_the_worth_is_that_of_its_closed_form() -> None:
    # Truth ~ Dirichlet(kappa q): with the ALM, the squared error beside n votes is V / (n + kappa), V the mean of
    # 1 - sum p^2. Without it, the best constant weight of the prior is V / B, B the mean squared distance of the truth
    # to it, and the error V / (n + V / B). So the ALM is worth kappa - V / B.
    kappa = 5.0
    corpus = simulated_corpus(rows=1500, kappa=kappa, votes=12, seed=3)
    spread = float((1 - (corpus.theta_NK**2).sum(1)).mean())
    distance = float(((corpus.theta_NK - corpus.theta_NK.mean(0)) ** 2).sum(1).mean())
    found = measure_worth(["alm"], corpus.inputs, 3, _fit)[0]
    assert found is not None and (found.votes, found.speakers) == (3, 30)
    rate = found.overall["squared_error"]
    assert rate.low < kappa - spread / distance < rate.high
    assert rate.value == pytest.approx(kappa - spread / distance, rel=0.25)
    assert set(found.by_ambiguity["nll"]) == {"low", "medium", "high"}


@pytest.mark.parametrize("kind", ["prior", "uniform", "noise"])
def test_an_alm_that_says_nothing_is_worth_nothing(kind: str) -> None:
    corpus = simulated_corpus(rows=600, votes=8, seed=4)
    rng = np.random.default_rng(0)
    q_NK = {
        "prior": np.tile(corpus.n_NK.sum(0) / corpus.n_NK.sum(), (600, 1)),
        "uniform": np.full((600, 4), 0.25),
        "noise": rng.dirichlet(np.ones(4), 600),
    }[kind]
    found = measure_worth(["alm"], _answering(corpus, q_NK), 3, _fit)[0]
    assert found is not None
    assert all(rate.value < 0.1 for rate in found.overall.values())


def test_few_votes_are_extrapolated_to_a_stated_limit() -> None:
    corpus = simulated_corpus(rows=900, votes=3, seed=5)
    found = measure_worth(["alm"], corpus.inputs, 3, _fit)[0]
    assert found is not None and found.votes == 2
    rate = found.overall["squared_error"]
    assert (rate.measured, rate.limit) == (0, 4) and rate.is_extrapolated


def test_what_cannot_be_measured_is_not() -> None:
    corpus = simulated_corpus(rows=60, votes=1, seed=6)
    assert measure_worth(["alm"], corpus.inputs, 1, _fit) == (None,)
    several = simulated_corpus(rows=60, votes=5, speakers=1, seed=6)
    assert measure_worth(["alm"], several.inputs, 1, _fit) == (None,)
    assert measurable(np.zeros((0, 3)), 3) is None


def test_expected_improvement_matches_drawn_votes() -> None:
    rng = np.random.default_rng(7)
    alpha_K = np.array([1.2, 0.6, 0.4])
    theta_NK = rng.dirichlet(alpha_K, 200_000)
    votes_NK = rng.multinomial(4, theta_NK)
    further = expected_improvement(rng.multinomial(30, theta_NK[:5000]), 4, 3)
    total = alpha_K.sum()

    def scores(n_NK: np.ndarray) -> tuple[float, float]:
        p_NK = (n_NK + alpha_K) / (n_NK.sum(1, keepdims=True) + total)
        return -float((theta_NK * np.log(p_NK)).sum(1).mean()), float(((p_NK - theta_NK) ** 2).sum(1).mean())

    more_NK = votes_NK + rng.multinomial(3, theta_NK)
    before, after = scores(votes_NK), scores(more_NK)
    assert further["nll"][2] == pytest.approx(after[0] - before[0], rel=0.1)
    assert further["squared_error"][2] == pytest.approx(after[1] - before[1], rel=0.1)
    # In the limit of many votes, the nll is the mean entropy of the truth.
    entropy = float((-(alpha_K / total) * (digamma(alpha_K + 1) - digamma(total + 1))).sum())
    assert before[0] + expected_improvement(rng.multinomial(30, theta_NK[:5000]), 4, 400)["nll"][
        -1
    ] == pytest.approx(entropy, abs=0.01)


def test_votes_of_weight_1_05_are_as_many_votes_as_raters() -> None:
    corpus = simulated_corpus(rows=500, votes=8, seed=9)
    weighted = PoolingInputs(
        1.05 * corpus.n_NK, corpus.q_NK[:, None], np.ones((500, 1)), corpus.speaker_N, corpus.n_NK
    )
    assert measurable(weighted.slots_NK, 3) == measurable(corpus.inputs.slots_NK, 3) == (3, 4)
    plain, found = (measure_worth(["alm"], inputs, 3, _fit)[0] for inputs in (corpus.inputs, weighted))
    assert plain is not None and found is not None
    assert found.overall["squared_error"].value == pytest.approx(
        plain.overall["squared_error"].value, rel=0.1
    )
