"""Squared error by group, from votes left out: near the true error, and where the ALM is worse, more votes are planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.allocation import plan
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.group_errors import GroupError, fall_factor, group_errors, groups
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.mixture import FEATURES, DirichletMixture
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.tables import Annotations, Utterances
from tests.support.pooling_tables import (
    SimulatedCorpus,
    annotation_frame,
    label_names,
    simulated_corpus,
    write_files,
)
from tests.support.steps import plan_labels


def _corpus(rows: int, votes: int, seed: int) -> tuple[SimulatedCorpus, np.ndarray]:
    """Every fourth speaker is one whose utterances the ALM confuses with each other."""
    corpus = simulated_corpus(rows=rows, votes=votes, kappa=8.0, seed=seed)
    confused_N = corpus.speaker_N % 4 == 0
    rows_M = np.flatnonzero(confused_N)
    q_NK = corpus.q_NK.copy()
    q_NK[rows_M] = q_NK[np.random.default_rng(seed).permutation(rows_M)]
    return replace(corpus, q_NK=q_NK), confused_N


@dataclass(frozen=True)
class Fitted:
    """A corpus with its model, and the errors of the confused speakers and the others."""

    corpus: SimulatedCorpus
    confused_N: np.ndarray
    model: PoolingModel
    name_N: list[str]
    errors: dict[str, GroupError]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    corpus, confused_N = _corpus(1200, 4, seed=1)
    model = fit_pooling(label_names(4), ["alm"], corpus.inputs, np.array([3.0]))
    name_N = np.where(confused_N, "confused", "other").tolist()
    return Fitted(corpus, confused_N, model, name_N, group_errors(model, corpus.inputs, name_N))


def test_the_measured_error_is_the_true_one(fitted: Fitted) -> None:
    corpus, confused_N, model = fitted.corpus, fitted.confused_N, fitted.model
    rng = np.random.default_rng(0)
    true_N = np.zeros(len(confused_N))
    for _ in range(20):  # two votes known, as when two of four are left out
        n_NK = np.array([rng.multinomial(2, theta_K) for theta_K in corpus.theta_NK], dtype=float)
        p_NK = pool(model, n_NK, corpus.inputs.q_NAK, corpus.inputs.label_mass_NA).posterior_mean_NK
        true_N += ((p_NK - corpus.theta_NK) ** 2).sum(1) / 20
    for name, rows_N in (("confused", confused_N), ("other", ~confused_N)):
        error = fitted.errors[name]
        assert error.utterances == rows_N.sum()
        assert error.measured.value == pytest.approx(true_N[rows_N].mean(), abs=0.02)
        assert error.measured.low < true_N[rows_N].mean() < error.measured.high
    assert fitted.errors["confused"].ratio > 1.4 and fitted.errors["other"].ratio < 0.8


def test_the_same_budget_lowers_the_true_error_more(fitted: Fitted) -> None:
    corpus, model = fitted.corpus, fitted.model
    ratio_N = np.array([fitted.errors[name].ratio for name in fitted.name_N])
    inputs, rng = corpus.inputs, np.random.default_rng(2)
    fall = []
    for ratios in (None, ratio_N):
        votes_N, _ = plan(model, inputs, 800, ratios)
        assert votes_N.sum() == 800
        errors = []
        for _ in range(5):
            bought = [
                rng.multinomial(votes, theta_K)
                for votes, theta_K in zip(votes_N, corpus.theta_NK, strict=True)
            ]
            p_NK = pool(model, inputs.n_NK + np.array(bought), inputs.q_NAK, inputs.label_mass_NA).p_NK
            errors.append(((p_NK - corpus.theta_NK) ** 2).sum(1).mean())
        before = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA).p_NK
        fall.append(((before - corpus.theta_NK) ** 2).sum(1).mean() - np.mean(errors))
    assert fall[1] > 1.25 * fall[0]


def test_groups_that_differ_by_chance_are_planned_alike() -> None:
    corpus = simulated_corpus(rows=600, votes=3, kappa=8.0, speakers=40, seed=6)
    model = fit_pooling(label_names(4), ["alm"], corpus.inputs, np.array([3.0]))
    group_N = [f"g{number % 8}" for number in corpus.speaker_N]
    errors = group_errors(model, corpus.inputs, group_N).values()
    ratios = np.array([error.ratio for error in errors])
    measured = np.array([error.measured.value / error.expected for error in errors])
    assert np.ptp(ratios) < 0.5 * np.ptp(measured)


@pytest.fixture(scope="module")
def right() -> tuple[PoolingModel, PoolingInputs]:
    """A posterior that is right: utterances are drawn from the model. Three votes each, no ALM."""
    labels, rows, rng = 4, 6000, np.random.default_rng(5)
    chance_K, prior_K = np.array([0.55, 0.15, 0.15, 0.15]), np.array([0.5, 0.17, 0.17, 0.16])
    alpha_KK, prior_votes = 0.3 + 3.5 * np.eye(labels), 0.1
    mixture = DirichletMixture(np.log(chance_K), 0.0, alpha_KK, prior_votes, np.zeros(len(FEATURES)))
    model = PoolingModel(
        label_names(labels),
        prior_K,
        mixture,
        mixture,
        mixture,
        (),
        np.eye(labels),
        np.zeros(labels),
        "likelihood",
        {},
    )
    kind_N = rng.choice(labels, p=chance_K, size=rows)
    theta_NK = np.stack([rng.dirichlet(alpha_KK[kind] + prior_votes * prior_K) for kind in kind_N])
    n_NK = np.stack([rng.multinomial(3, theta_K) for theta_K in theta_NK]).astype(float)
    speaker_N = rng.integers(40, size=rows)
    return model, PoolingInputs(n_NK, np.zeros((rows, 0, labels)), np.zeros((rows, 0)), speaker_N)


def test_labels_are_not_worse_because_votes_agree_on_them(right: tuple[PoolingModel, PoolingInputs]) -> None:
    """Groups by the dominant label of all votes had ratios of 0.28 to 2.5 where the posterior is right."""
    model, inputs = right
    group_N = groups("label", pl.DataFrame(), model, inputs)
    errors = group_errors(model, inputs, group_N, is_label=True)
    assert set(errors) == set(model.labels)
    for error in errors.values():
        assert error.measured.low < error.expected < error.measured.high
        assert error.ratio == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("votes", [[3, 0, 0, 0], [1, 1, 1, 0]])
def test_two_utterances_that_happen_to_agree_say_little(
    right: tuple[PoolingModel, PoolingInputs], votes: list[int]
) -> None:
    model, inputs = right
    group_N = [f"large {number % 4}" for number in range(len(inputs.n_NK))]
    for row in np.flatnonzero((inputs.n_NK == votes).all(1))[:2]:
        group_N[row] = "small"
    errors = group_errors(model, inputs, group_N)
    assert errors["small"].utterances == 2
    for error in errors.values():
        assert error.ratio == pytest.approx(1, abs=0.06)


def test_the_factor_of_a_vote_by_hand() -> None:
    # Beta(2, 2) expects 1/20 per label; a vote has the weight 1/5 and lowers it by a fifth. Twice the error, the same
    # weight: 2/20 becomes (4/5)^2 2/20 + (1/5)^2 (1/4 - 1/20), a fall that is 1.8 times as large.
    expected, weight = 1 / 20, 4.0
    scatter = expected * (1 - 1 / 5) / (1 / 5)
    after = (4 / 5) ** 2 * 2 * expected + (1 / 5) ** 2 * scatter
    factor = (2 * expected - after) / (expected / 5)
    assert fall_factor(np.array([2.0]), np.array([weight])) == pytest.approx([factor])


def test_plan_labels_by_group(tmp_path: Path) -> None:
    corpus, confused_N = _corpus(400, 6, seed=3)
    files = write_files(tmp_path, corpus)
    table = Utterances.read(files.utterances)
    sex = pl.Series(np.where(confused_N, "=female", "male"))
    Utterances.check(table.frame.with_columns(sex=sex), table.labels).write(files.utterances)
    Annotations.check(annotation_frame(corpus.q_NK, files.ids), files.names).write(files.annotations)
    common = {"utterances": files.utterances, "votes": files.votes, "annotations": files.annotations}
    plain = pl.read_csv(plan_labels(**common, out=tmp_path / "plain", budget=150) / "batch.csv")
    assert not (tmp_path / "plain" / "groups.csv").exists()
    out = plan_labels(**common, out=tmp_path / "by", budget=150, by="sex")
    batch, groups = pl.read_csv(out / "batch.csv"), pl.read_csv(out / "groups.csv")
    assert groups["group"].to_list() == ["'=female", "male"]  # the worst first, and no formula
    assert groups["votes"].sum() == batch["votes_wanted"].sum() == 150
    confused = dict(zip(files.ids, confused_N, strict=True))
    votes = [
        frame.filter(frame["utterance_id"].replace_strict(confused))["votes_wanted"].sum()
        for frame in (plain, batch)
    ]
    assert votes[1] > 1.5 * votes[0]
    for by, expected in (("label", set(files.names)), ("age", {"20s", "30s", "40s"})):
        out = plan_labels(**common, out=tmp_path / by, budget=1, by=by)
        assert set(pl.read_csv(out / "groups.csv")["group"]) <= expected
    with pytest.raises(UserError, match="--by language: the table of utterances has no language"):
        plan_labels(**common, out=tmp_path / "none", budget=1, by="language")
