"""Pooling: known equivalent votes, unseen speakers, several ALMs, and every degenerate case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.calibration import identity
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.informative import cross_fit
from ambivox.models.pooling.inputs import PoolingInputs, mean_over_alms
from ambivox.models.pooling.mixture import DirichletMixture, posterior
from ambivox.models.pooling.pooled import AlmModel, PoolingModel, pool
from ambivox.models.pooling.response import CRITERIA, Criterion
from ambivox.models.pooling.source_tables import combined_counts
from ambivox.models.pooling.sources import mean_votes
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.statistics import metrics
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.statistics.vote_draws import draw_votes
from tests.support.pooling_tables import SimulatedCorpus, label_names, simulated_corpus


def _fit(
    corpus: SimulatedCorpus, criterion: Criterion = "likelihood", in_use: float = 3.0, seed: int = 0
) -> PoolingModel:
    names = label_names(corpus.n_NK.shape[1])
    return fit_pooling(names, ["alm"], corpus.inputs, np.full(1, in_use), criterion=criterion, seed=seed)


def _js(model: PoolingModel, corpus: SimulatedCorpus, keep: int = 3) -> tuple[float, float]:
    """Mean JS to the votes not kept: pooled, and of the humans alone."""
    kept_NK = draw_votes(corpus.n_NK, np.full(len(corpus.n_NK), keep), np.random.default_rng(9))
    truth_NK = shares(corpus.n_NK - kept_NK)
    pooled = pool(model, kept_NK, corpus.q_NK[:, None])
    return (
        metrics.jensen_shannon(truth_NK, pooled.p_NK).mean(),
        metrics.jensen_shannon(truth_NK, shares(kept_NK)).mean(),
    )


@pytest.mark.parametrize("kappa", [2.0, 8.0])
def test_a_known_number_of_votes_in_the_answer_is_recovered(kappa: float) -> None:
    corpus = simulated_corpus(rows=4000, kappa=kappa, votes=4)
    model = _fit(corpus, "likelihood", in_use=4.0)
    pooled = pool(model, corpus.n_NK, corpus.q_NK[:, None])
    assert np.median(pooled.weight_N) - 4 == pytest.approx(kappa, rel=0.3)
    bayes_NK = (corpus.n_NK + kappa * corpus.q_NK) / (4 + kappa)
    assert np.abs(pooled.p_NK - bayes_NK).mean() < 0.02
    assert 0 < np.median(pooled.kappa_NA) < kappa  # the votes without the ALM are pooled with a mixture, too


@pytest.mark.parametrize(("votes", "kappa"), [(4, 1.5), (4, 6.0), (9, 3.0)])
def test_without_alms_the_known_weight_of_the_prior_is_recovered(votes: int, kappa: float) -> None:
    rng = np.random.default_rng(votes)
    prior_K = np.array([0.5, 0.3, 0.2])
    n_NK = rng.multinomial(votes, rng.dirichlet(kappa * prior_K, 6000)).astype(float)
    inputs = PoolingInputs(n_NK, np.zeros((6000, 0, 3)), np.zeros((6000, 0)), np.arange(6000) % 40)
    model = fit_pooling(label_names(3), [], inputs, np.full(1, 3.0))
    kept_NK = draw_votes(n_NK, np.full(6000, 3), rng)
    pooled = pool(model, kept_NK, inputs.q_NAK)
    assert np.median(pooled.prior_votes_N) == pytest.approx(kappa, rel=0.25)
    bayes_NK = (kept_NK + kappa * prior_K) / (3 + kappa)
    assert np.abs(pooled.p_NK - bayes_NK).mean() < 0.02
    nothing = pool(model, np.zeros((1, 3)), np.zeros((1, 0, 3)))
    assert nothing.p_NK[0] == pytest.approx(model.prior_K, abs=0.01) and nothing.from_prior_N[0]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_one_vote_everywhere_without_alms_assumes_the_weight_of_the_prior(criterion: Criterion) -> None:
    n_NK = np.eye(3)[np.arange(60) % 3]
    inputs = PoolingInputs(n_NK, np.zeros((60, 0, 3)), np.zeros((60, 0)), np.arange(60) % 6)
    model = fit_pooling(label_names(3), [], inputs, np.ones(60), criterion=criterion)
    assert "assumed" in model.fitted_on["target"]
    assert pool(model, n_NK, inputs.q_NAK).prior_votes_N == pytest.approx(2.0)


def test_pooled_beats_both_on_unseen_speakers_and_comes_near_the_best_possible() -> None:
    model = _fit(simulated_corpus(seed=1), "js")
    unseen = simulated_corpus(seed=2)
    pooled, human = _js(model, unseen)
    kept_NK = draw_votes(unseen.n_NK, np.full(len(unseen.n_NK), 3), np.random.default_rng(9))
    truth_NK = shares(unseen.n_NK - kept_NK)
    bayes_NK = (kept_NK + 5 * unseen.q_NK) / 8  # the true model's posterior mean
    bayes = metrics.jensen_shannon(truth_NK, bayes_NK).mean()
    alm = metrics.jensen_shannon(truth_NK, unseen.q_NK).mean()
    assert pooled < 0.9 * human and pooled < 0.9 * alm
    assert pooled < bayes  # the response comes closer to further votes than the posterior mean itself


@pytest.mark.parametrize("criterion", CRITERIA)
def test_an_uninformative_alm_has_no_equivalent_votes_and_pooled_equals_humans_and_prior(
    criterion: Criterion,
) -> None:
    corpus = simulated_corpus(seed=3)
    noise_NK = np.random.default_rng(4).dirichlet(np.ones(4), len(corpus.n_NK))
    for answer_NK in (noise_NK, np.full_like(noise_NK, 0.25), corpus.q_NK[::-1]):
        empty = SimulatedCorpus(corpus.theta_NK, answer_NK, corpus.n_NK, corpus.speaker_N)
        model = _fit(empty, criterion)
        pooled = pool(model, empty.n_NK, answer_NK[:, None])
        assert not model.alms[0].is_informative
        assert pooled.kappa_NA.max() == 0.0
        assert pooled.p_NK == pytest.approx(pool(model.without_alms(), empty.n_NK, empty.q_NK[:, :0]).p_NK)
        assert (pooled.prior_votes_N > 0.1).all()


def test_the_better_of_two_alms_gets_more_equivalent_votes_and_a_useless_third_none() -> None:
    corpus = simulated_corpus(seed=5)
    rng = np.random.default_rng(6)
    noisy_NK = np.exp(np.log(corpus.q_NK) + rng.normal(0, 2.0, corpus.q_NK.shape))
    noisy_NK /= noisy_NK.sum(1, keepdims=True)
    noise_NK = rng.dirichlet(np.ones(4), len(corpus.q_NK))
    q_NAK = np.stack([corpus.q_NK, noisy_NK, noise_NK], axis=1)
    inputs = PoolingInputs(corpus.n_NK, q_NAK, np.ones(q_NAK.shape[:2]), corpus.speaker_N)
    model = fit_pooling(label_names(4), ["good", "noisy", "useless"], inputs, np.full(1, 3.0))
    kept_NK = draw_votes(corpus.n_NK, np.full(len(corpus.n_NK), 3), rng)
    good, noisy, useless = pool(model, kept_NK, q_NAK).kappa_NA.mean(0)
    assert good > 2 * noisy and useless == 0.0


def test_few_votes_everywhere_still_pool_well() -> None:
    many = simulated_corpus(seed=7)
    few = SimulatedCorpus(
        many.theta_NK,
        many.q_NK,
        draw_votes(many.n_NK, np.full(1500, 3), np.random.default_rng(0)),
        many.speaker_N,
    )
    unseen = simulated_corpus(seed=8)
    (from_few, human), (from_many, _) = _js(_fit(few), unseen), _js(_fit(many), unseen)
    assert from_few < 0.9 * human
    assert from_few < 1.06 * from_many


@pytest.mark.parametrize("labels", [2, 20])
def test_two_and_twenty_labels(labels: int) -> None:
    corpus = simulated_corpus(rows=1200, labels=labels, seed=labels)
    pooled, human = _js(_fit(corpus), simulated_corpus(rows=800, labels=labels, seed=labels + 1))
    assert pooled < human


def test_one_label_only() -> None:
    corpus = simulated_corpus(rows=50, labels=1)
    pooled = pool(_fit(corpus), corpus.n_NK, corpus.q_NK[:, None])
    assert pooled.p_NK.tolist() == [[1.0]] * 50


def test_utterances_without_votes_and_without_answers_are_marked() -> None:
    corpus = simulated_corpus(seed=10)
    model = _fit(corpus)
    n_NK = np.array([[0.0] * 4, [0.0] * 4, [2.0, 1.0, 0.0, 0.0]])
    q_NK = np.array([[0.7, 0.1, 0.1, 0.1], [np.nan] * 4, [np.nan] * 4])
    pooled = pool(model, n_NK, q_NK[:, None])
    assert pooled.from_alm_N.tolist() == [True, False, False]
    assert pooled.from_prior_N.tolist() == [False, True, False]
    assert pooled.p_NK[0].argmax() == 0
    assert pooled.p_NK[1] == pytest.approx(posterior(model.alone, model.prior_K, np.zeros((1, 4))).mean_NK[0])
    alone = pool(model.without_alms(), n_NK, np.zeros((3, 0, 4)))
    assert pooled.p_NK[2] == pytest.approx(alone.p_NK[2]) and pooled.p_NK[2].min() > 0  # never the raw n / N
    assert pooled.weight_N == pytest.approx(
        n_NK.sum(1) + pooled.prior_votes_N + pooled.kappa_NA[:, 0], abs=1e-9
    )
    assert pooled.p_NK.sum(1) == pytest.approx(np.ones(3))


def test_an_alm_that_never_answers_and_no_votes_at_all() -> None:
    corpus = simulated_corpus(rows=60, seed=11)
    silent = replace(corpus, q_NK=np.full_like(corpus.q_NK, np.nan))
    model = _fit(silent)
    assert pool(model, corpus.n_NK, silent.q_NK[:, None]).p_NK == pytest.approx(
        pool(model.without_alms(), corpus.n_NK, silent.q_NK[:, None][:, :0]).p_NK
    )
    voteless = replace(corpus, n_NK=np.zeros_like(corpus.n_NK))
    model = _fit(voteless)
    assert model.prior_K == pytest.approx(np.full(4, 0.25))
    assert pool(model, voteless.n_NK, corpus.q_NK[:, None]).p_NK == pytest.approx(np.full((60, 4), 0.25))


def test_balanced_shifts_the_mean_distribution_little() -> None:
    corpus = simulated_corpus(rows=3000, seed=12, kappa=3.0)
    kept_NK = draw_votes(corpus.n_NK, np.full(3000, 3), np.random.default_rng(1))
    shift = {
        criterion: np.abs(
            pool(_fit(corpus, criterion), kept_NK, corpus.q_NK[:, None]).p_NK.mean(0)
            - corpus.theta_NK.mean(0)
        ).max()
        for criterion in ("js", "balanced")
    }
    assert shift["balanced"] < 0.02 and shift["balanced"] <= shift["js"] + 0.005


def test_same_seed_same_model_and_an_unknown_criterion() -> None:
    corpus = simulated_corpus(rows=300, seed=13)
    assert (_fit(corpus, seed=3).response_KK == _fit(corpus, seed=3).response_KK).all()
    with pytest.raises(UserError, match="balanced, js, likelihood"):
        _fit(corpus, "other")  # type: ignore[arg-type]


def test_is_informative_needs_more_than_one_speaker() -> None:
    corpus = simulated_corpus(rows=100, seed=14)
    assert not cross_fit(corpus.n_NK, corpus.q_NK, np.zeros(100, dtype=int), matrix=True).is_informative
    assert cross_fit(corpus.n_NK, corpus.q_NK, np.arange(100) % 10, matrix=True).is_informative


def test_the_mean_over_alms_leaves_out_those_that_did_not_answer() -> None:
    q_NAK = np.array([[[1.0, 0.0], [0.5, 0.5]], [[np.nan] * 2, [0.2, 0.8]], [[np.nan] * 2] * 2])
    q_NK = mean_over_alms(q_NAK)
    assert q_NK[:2].tolist() == [[0.75, 0.25], [0.2, 0.8]] and np.isnan(q_NK[2]).all()


def test_combined_counts_votes_alike() -> None:
    n_NK = np.array([[3.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    v_NK = np.array([[0.0, 9.0], [7.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    p_NK = combined_counts(n_NK, v_NK)
    assert p_NK[:3].tolist() == [[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]] and np.isnan(p_NK[3]).all()


def test_exact_answers_count_by_their_expectation_and_sampled_ones_as_they_are() -> None:
    q_NK = np.array([[0.2, 0.8], [0.5, 0.5], [np.nan, np.nan]])
    sampled_NK = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 0.0]])
    answers_N = np.array([2.0, 4.0, 0.0])
    alm = SyntheticDistributions("x", q_NK, answers_N, np.zeros(3), np.ones(3), sampled_NK)
    assert alm.votes(10) == pytest.approx(np.array([[2.0, 8.0], [3.0, 1.0], [0.0, 0.0]]))
    other = SyntheticDistributions("y", q_NK, answers_N, np.zeros(3), np.ones(3), np.zeros((3, 2)))
    n_NK = np.ones((3, 2))
    assert mean_votes([alm, other], 10, n_NK) == pytest.approx(np.array([[2.0, 8.0], [4.0, 3.0], [0.0, 0.0]]))
    assert mean_votes([], 10, n_NK).tolist() == np.zeros((3, 2)).tolist()


def test_an_alm_model_is_applied_as_stored() -> None:
    single = DirichletMixture.single(2, 2.0)
    beside = replace(single, answer_weights_F=np.array([np.log(3.0), 0.0, 0.0]))
    alm = AlmModel("x", identity(2), 1.0, True)
    prior_K, unit_KK = np.array([0.5, 0.5]), np.eye(2)
    model = PoolingModel(
        ("a", "b"), prior_K, single, single, beside, (alm,), unit_KK, np.zeros(2), "likelihood", {}
    )
    pooled = pool(model, np.array([[1.0, 0.0]]), np.array([[[0.2, 0.8]]]))
    # one vote, two of the prior, three of the ALM
    assert pooled.p_NK == pytest.approx(np.array([[2.6 / 6, 3.4 / 6]]), abs=1e-6)
    assert (pooled.kappa_NA[0, 0], pooled.prior_votes_N[0], pooled.weight_N[0]) == pytest.approx((3, 2, 6))
    alone = pool(model, np.array([[1.0, 0.0]]), np.array([[[np.nan, np.nan]]]))
    assert alone.p_NK == pytest.approx(np.array([[2 / 3, 1 / 3]])) and alone.kappa_NA[0, 0] == 0
