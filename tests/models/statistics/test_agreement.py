"""Agreement from counts: against statsmodels, against a loop over pairs of votes, and published examples."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa

from ambivox.models.errors import UserError
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha

# Krippendorff (2004), p. 226: 12 units, 4 observers, values 1 to 5, "." missing; nominal alpha 0.743.
_KRIPPENDORFF = ["12332141 2...", "123322412 5.3", ".33323422 51.", "123324412 51."]
# Fleiss (1971) as on the article's worked example: 10 subjects, 14 raters, 5 categories; kappa 0.210.
_FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_fleiss_worked_example() -> None:
    assert fleiss_kappa(np.array(_FLEISS)) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_matches_statsmodels_for_equal_numbers_of_raters() -> None:
    rng = np.random.default_rng(0)
    n_NK = np.stack([rng.multinomial(7, rng.dirichlet(np.ones(5))) for _ in range(300)])
    assert fleiss_kappa(n_NK) == pytest.approx(statsmodels_fleiss_kappa(n_NK))


def test_fleiss_with_varying_raters_by_hand() -> None:
    # P: (1, 1/3, 1) -> 7/9. Shares 6/8, 2/8 -> P_e = 5/8 (of rows with 3, 3 and 2 votes; the last is left
    # out).
    n_NK = np.array([[3, 0], [2, 1], [2, 0], [0, 1]])
    share = np.array([7, 1]) / 8
    chance = (share**2).sum()
    assert fleiss_kappa(n_NK) == pytest.approx((7 / 9 - chance) / (1 - chance))


def test_krippendorff_published_example() -> None:
    rows = [row.replace(" ", "") for row in _KRIPPENDORFF]
    n_NK = np.array(
        [[sum(row[unit] == str(value) for row in rows) for value in range(1, 6)] for unit in range(12)]
    )
    assert krippendorff_alpha(n_NK) == pytest.approx(0.743, abs=5e-4)


def test_krippendorff_matches_a_loop_over_ordered_pairs_of_votes() -> None:
    rng = np.random.default_rng(1)
    n_NK = np.stack([rng.multinomial(rng.integers(0, 8), rng.dirichlet(np.ones(4))) for _ in range(60)])
    o_KK = np.zeros((4, 4))
    for n_K in n_NK:
        for one, other in permutations(np.repeat(np.arange(4), n_K).tolist(), 2):
            o_KK[one, other] += 1 / (n_K.sum() - 1)
    n_K = o_KK.sum(0)
    observed = o_KK.sum() - np.trace(o_KK)
    expected = (np.outer(n_K, n_K).sum() - (n_K**2).sum()) / (n_K.sum() - 1)
    assert krippendorff_alpha(n_NK) == pytest.approx(1 - observed / expected)


@pytest.mark.parametrize("measure", [fleiss_kappa, krippendorff_alpha])
def test_degenerate_tables(measure) -> None:  # type: ignore[no-untyped-def]
    assert measure(np.array([[4, 0], [0, 4], [4, 0]])) == pytest.approx(1.0)
    assert np.isnan(measure(np.array([[4, 0], [3, 0]])))  # one label only: nothing to agree about
    assert np.isnan(measure(np.array([[1, 0], [0, 1]])))  # nobody voted twice
    assert np.isnan(measure(np.zeros((0, 3))))
    with pytest.raises(UserError, match="counts"):
        measure(np.array([[1.0, -1.0]]))


def test_two_votes_whose_weights_sum_to_a_little_less_than_2_are_two_votes() -> None:
    n_NK = np.array([[1.0, 1 / 3, 1 / 3, 1 / 3 - 1e-15], [0.0, 2.0, 0.0, 0.0]])
    assert n_NK.sum(1)[0] < 2
    assert fleiss_kappa(n_NK) == pytest.approx(1 / 7)  # without the first utterance it is undefined


def test_chance_is_zero() -> None:
    n_NK = np.random.default_rng(2).multinomial(10, [0.5, 0.3, 0.2], 20_000)
    assert fleiss_kappa(n_NK) == pytest.approx(0, abs=0.01)
    assert krippendorff_alpha(n_NK) == pytest.approx(0, abs=0.01)
