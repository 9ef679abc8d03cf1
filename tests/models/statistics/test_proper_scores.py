"""Proper scores: by hand, against scikit-learn, and by simulation of finite votes from a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.proper_scores import negative_log_likelihood, smoothed, squared_error


def test_by_hand() -> None:
    votes_NK = np.array([[3, 1], [0, 0], [1, 0]])
    p_NK = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    nll_N = negative_log_likelihood(votes_NK, p_NK)
    assert nll_N[0] == pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4)
    assert np.isnan(nll_N[1])
    assert nll_N[2] == 0.0
    # (p - r) is 0; r (1 - r) / (m - 1) = 0.1875 / 3 for either label
    assert squared_error(votes_NK, p_NK)[0] == pytest.approx(-2 * 0.1875 / 3)
    assert np.isnan(squared_error(votes_NK, p_NK)[1:]).all()  # no vote, one vote


def test_nll_is_log_loss() -> None:
    rng = np.random.default_rng(3)
    p_NK = rng.dirichlet(np.ones(5), 40)
    votes_NK = rng.multinomial(7, p_NK)
    label_M = np.repeat(np.tile(np.arange(5), 40), votes_NK.ravel())
    expected = log_loss(
        label_M, p_NK[np.repeat(np.repeat(np.arange(40), 5), votes_NK.ravel())], labels=range(5)
    )
    assert negative_log_likelihood(votes_NK, p_NK).mean() == pytest.approx(expected)


def test_a_voted_label_without_probability_costs_infinity() -> None:
    nll_N = negative_log_likelihood(np.array([[1, 9], [0, 9]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert nll_N.tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("votes", [2, 3, 8])
def test_squared_error_is_unbiased(votes: int) -> None:
    rng = np.random.default_rng(votes)
    truth_NK = rng.dirichlet([0.3, 0.5, 0.8, 0.2], 60_000)
    prediction_NK = rng.dirichlet(np.ones(4), 60_000)
    estimate_N = squared_error(rng.multinomial(votes, truth_NK), prediction_NK)
    error_N = ((prediction_NK - truth_NK) ** 2).sum(1)
    standard_error = float((estimate_N - error_N).std() / np.sqrt(len(error_N)))
    assert abs(float((estimate_N - error_N).mean())) < 4 * standard_error
    exact_N = squared_error(rng.multinomial(votes, truth_NK), truth_NK)  # knowing the truth scores 0
    assert abs(float(exact_N.mean())) < 4 * float(exact_N.std()) / np.sqrt(len(exact_N))


@pytest.mark.parametrize(("splitting", "plain"), [(0.0, 0.005), (0.2, -0.009), (0.5, -0.034)])
def test_squared_error_is_unbiased_where_raters_split_their_votes(splitting: float, plain: float) -> None:
    rng = np.random.default_rng(0)
    rows, raters, chance_K = 20_000, 5, np.array([0.5, 0.3, 0.15, 0.05])
    first_NR, second_NR = (rng.choice(4, p=chance_K, size=(rows, raters)) for _ in range(2))
    is_split_NR1 = (rng.random((rows, raters)) < splitting)[..., None]
    vote_NRK = np.where(is_split_NR1, (np.eye(4)[first_NR] + np.eye(4)[second_NR]) / 2, np.eye(4)[first_NR])
    votes_NK, square_N = vote_NRK.sum(1), (vote_NRK**2).sum(2).mean(1)
    p_NK = np.tile([0.45, 0.3, 0.15, 0.1], (rows, 1))
    error = float(((p_NK[0] - chance_K) ** 2).sum())
    estimate_N = squared_error(votes_NK, p_NK, square_N)
    assert abs(float(estimate_N.mean()) - error) < 4 * float(estimate_N.std()) / np.sqrt(rows)
    assert float(squared_error(votes_NK, p_NK).mean()) == pytest.approx(plain, abs=0.003)
    if not splitting:  # to the last digit
        assert estimate_N.tolist() == squared_error(votes_NK, p_NK).tolist()


def test_one_vote_whose_weights_sum_to_a_little_more_than_1_is_one_vote() -> None:
    votes_NK = np.array([[0.5, 0.5 + 3e-16]])
    assert votes_NK.sum(1)[0] > 1
    assert np.isnan(squared_error(votes_NK, np.full((1, 2), 0.5))).all()


def test_the_truth_scores_best_and_jensen_shannon_rewards_a_sharper_answer() -> None:
    rng = np.random.default_rng(0)
    truth_NK = rng.dirichlet(np.full(6, 0.4), 20_000)
    votes_NK = rng.multinomial(4, truth_NK)
    sharper_NK = truth_NK**1.6 / (truth_NK**1.6).sum(1, keepdims=True)
    flatter_NK = 0.8 * truth_NK + 0.2 / 6
    for score in (negative_log_likelihood, squared_error):
        best = score(votes_NK, truth_NK).mean()
        assert best < min(score(votes_NK, sharper_NK).mean(), score(votes_NK, flatter_NK).mean())
    shares_NK = votes_NK / 4
    assert jensen_shannon(shares_NK, sharper_NK).mean() < jensen_shannon(shares_NK, truth_NK).mean()


def test_missing_predictions_are_undefined_and_mistakes_are_named() -> None:
    p_NK = np.array([[np.nan, np.nan], [0.5, 0.5]])
    votes_NK = np.array([[2, 0], [2, 0]])
    assert np.isnan(negative_log_likelihood(votes_NK, p_NK)).tolist() == [True, False]
    assert np.isnan(squared_error(votes_NK, p_NK)).tolist() == [True, False]
    with pytest.raises(UserError, match="not negative"):
        squared_error(-votes_NK, p_NK)
    with pytest.raises(UserError, match="must be equal"):
        negative_log_likelihood(votes_NK[:1], p_NK)
    with pytest.raises(UserError, match="sum to 1"):
        squared_error(votes_NK, np.array([[0.5, np.nan], [0.5, 0.5]]))


def test_smoothed_has_no_zero_and_sums_to_1() -> None:
    p_NK = smoothed(np.array([[3, 0, 0], [0, 0, 0]]))
    assert (p_NK > 0).all()
    assert p_NK.sum(1) == pytest.approx([1, 1])
    assert p_NK[0, 0] == pytest.approx(3.5 / 4.5)
