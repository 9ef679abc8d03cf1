"""DiME-Aug's arithmetic: numbers of samples, parents and weights, against the paper's formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambivox.models.augmentation.dime_aug import DimeAugSettings, class_sizes, mix, plan, standardised
from ambivox.models.errors import UserError


def corpus(sizes: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and distributions whose dominant labels have these class sizes, in random order."""
    random = np.random.default_rng(seed)
    dominant = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    p_NK = random.dirichlet(np.ones(len(sizes)), len(dominant)) * 0.4
    p_NK[np.arange(len(dominant)), dominant] += 0.6
    return random.standard_normal((len(dominant), 6)) * [1, 10, 100, 1, 1, 0], p_NK


def test_every_small_class_is_filled_to_the_ratio_and_no_further() -> None:
    features_NF, p_NK = corpus((40, 17, 5, 2))
    lineage = plan(features_NF, p_NK, DimeAugSettings(ratio=0.25))
    assert np.bincount(lineage.class_S, minlength=4).tolist() == [0, 0, 5, 8]


@settings(max_examples=4, deadline=None)
@given(counts=st.tuples(st.integers(30, 60), st.integers(2, 12), st.integers(2, 12)), seed=st.integers(0, 99))
def test_parents_are_of_the_class_and_neighbours_by_brute_force(
    counts: tuple[int, int, int], seed: int
) -> None:
    features_NF, p_NK = corpus(counts)
    lineage = plan(features_NF, p_NK, DimeAugSettings(ratio=1.0, seed=seed))
    dominant_N = p_NK.argmax(axis=1)
    assert (dominant_N[lineage.first_S] == lineage.class_S).all()
    assert (dominant_N[lineage.second_S] == lineage.class_S).all()
    assert (lineage.first_S != lineage.second_S).all()
    standard_NF = standardised(features_NF)
    for first, second, rank, k in zip(
        lineage.first_S, lineage.second_S, lineage.rank_S, lineage.class_S, strict=True
    ):
        members = np.flatnonzero(dominant_N == k)
        members = members[members != first]
        distance = np.linalg.norm(standard_NF[members] - standard_NF[first], axis=1)
        assert members[np.argsort(distance)][rank - 1] == second
        assert 1 <= rank <= 3


def test_distributions_and_transcripts_follow_the_weight() -> None:
    features_NF, p_NK = corpus((30, 4))
    lineage = plan(features_NF, p_NK, DimeAugSettings(ratio=1.0))
    expected = (1 - lineage.weight_S)[:, None] * p_NK[lineage.first_S] + lineage.weight_S[:, None] * p_NK[
        lineage.second_S
    ]
    np.testing.assert_allclose(lineage.distributions(p_NK), expected, atol=1e-12)
    for transcript_row, first, second, weight in zip(
        lineage.transcript_rows(), lineage.first_S, lineage.second_S, lineage.weight_S, strict=True
    ):
        assert transcript_row == (first if weight < 0.5 else second)


def test_the_seed_determines_the_samples_and_classes_do_not_affect_each_other() -> None:
    features_NF, p_NK = corpus((30, 6, 8))
    base, repeated, other = (
        plan(features_NF, p_NK, DimeAugSettings(ratio=1.0, seed=seed)) for seed in (1, 1, 2)
    )
    for name in ("first_S", "second_S", "rank_S", "weight_S", "class_S"):
        np.testing.assert_array_equal(getattr(base, name), getattr(repeated, name))
    assert not np.array_equal(base.weight_S, other.weight_S)
    # Class 2 keeps its samples when class 1 is already full.
    full = plan(
        np.concatenate(
            [features_NF, features_NF[p_NK.argmax(1) == 1].repeat(5, axis=0) * 0 + features_NF.mean(0)]
        ),
        np.concatenate([p_NK, p_NK[p_NK.argmax(1) == 1].repeat(5, axis=0)]),
        DimeAugSettings(ratio=1.0, seed=1),
    )
    assert (full.class_S == 2).sum() >= (base.class_S == 2).sum()


def test_a_small_alpha_gives_weights_near_0_and_1() -> None:
    features_NF, p_NK = corpus((400, 5))
    polarised = plan(features_NF, p_NK, DimeAugSettings(ratio=1.0, mixing_alpha=0.1)).weight_S
    uniform = plan(features_NF, p_NK, DimeAugSettings(ratio=1.0)).weight_S
    assert np.mean(np.abs(polarised - 0.5) > 0.4) > 0.6 > np.mean(np.abs(uniform - 0.5) > 0.4)
    assert abs(uniform.mean() - 0.5) < 0.06
    assert ((uniform >= 0) & (uniform < 1)).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), ratio=st.floats(0, 1))
def test_filling_by_mass_reaches_the_mass_and_stops_there(seed: int, ratio: float) -> None:
    features_NF, p_NK = corpus((20, 6, 3), seed)
    lineage = plan(features_NF, p_NK, DimeAugSettings(ratio=ratio, classes="mass", seed=seed))
    before_K, target = class_sizes(p_NK, "mass"), ratio * class_sizes(p_NK, "mass").max()
    p_SK = lineage.distributions(p_NK)
    for k in range(3):
        mass_S = p_SK[lineage.class_S == k, k]
        if len(mass_S):
            assert before_K[k] + mass_S.sum() >= target - 1e-9
            assert before_K[k] + mass_S[:-1].sum() < target


def test_a_class_with_one_member_is_not_filled() -> None:
    features_NF, p_NK = corpus((20, 1))
    assert len(plan(features_NF, p_NK, DimeAugSettings(ratio=1.0))) == 0


def test_many_equal_features_still_never_pair_a_sample_with_itself() -> None:
    _, p_NK = corpus((30, 10))
    lineage = plan(np.zeros((40, 3)), p_NK, DimeAugSettings(ratio=1.0))
    assert len(lineage) == 20
    assert (lineage.first_S != lineage.second_S).all()


@pytest.mark.parametrize("wrong", [{"ratio": 1.5}, {"ratio": -0.1}, {"neighbours": 0}, {"mixing_alpha": 0.0}])
def test_wrong_settings_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError):
        DimeAugSettings(**wrong)  # type: ignore[arg-type]


def test_mixing_is_the_formula_on_the_common_length() -> None:
    random = np.random.default_rng(0)
    first, second = (random.uniform(-0.9, 0.9, size).astype(np.float32) for size in (500, 300))
    mixture, is_scaled = mix(first, second, 0.3)
    assert mixture.dtype == np.int16
    assert not is_scaled
    np.testing.assert_allclose(mixture / 32768, 0.7 * first[:300] + 0.3 * second, atol=1 / 32768)


def test_overshooting_parents_are_scaled_not_clipped() -> None:
    wave = np.array([0.5, 1.25, -1.0], np.float32)
    mixture, is_scaled = mix(wave, wave, 0.5)
    assert is_scaled
    np.testing.assert_allclose(mixture / 32768, wave / 1.25, atol=2 / 32768)


def test_loudness_is_matched_on_request() -> None:
    random = np.random.default_rng(0)
    loud, soft = (random.standard_normal(4000).astype(np.float32) * size for size in (0.2, 0.01))
    mixture, _ = mix(loud, soft, 0.999, match_loudness=True)
    assert abs(np.sqrt(np.mean((mixture / 32768.0) ** 2)) / np.sqrt(np.mean(loud**2)) - 1) < 0.05
