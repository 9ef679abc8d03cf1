"""Allocation of votes: the expected fall by hand, and fewer votes than at random in a simulated corpus."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.allocation import expected_fall, plan
from ambivox.models.pooling.allocation_simulation import SCORES, simulate
from ambivox.models.pooling.calibration import identity
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.mixture import DirichletMixture
from ambivox.models.pooling.pooled import AlmModel, PoolingModel
from ambivox.models.tables import Votes
from tests.support.pooling_tables import SimulatedCorpus, label_names, simulated_corpus, write_files
from tests.support.steps import plan_labels

_SINGLE = DirichletMixture.single(2, 2.0)  # kappa = 2 everywhere
_MODEL = PoolingModel(
    ("a", "b"),
    np.array([0.5, 0.5]),
    _SINGLE,
    _SINGLE,
    replace(_SINGLE, prior_votes=1.0),
    (AlmModel("x", identity(2), 1.0, True),),
    np.eye(2),
    np.zeros(2),
    "likelihood",
    {},
)


def _inputs(n_NK: list[list[float]], q_NK: list[list[float]]) -> PoolingInputs:
    rows = len(n_NK)
    return PoolingInputs(np.array(n_NK), np.array(q_NK)[:, None], np.ones((rows, 1)), np.arange(rows))


def test_expected_fall_by_hand() -> None:
    # ALM and prior together are three votes, half for either label: p = (2.5, 1.5) / 4; after a vote (3.5, 1.5) / 5 with
    # chance 5/8, or (2.5, 2.5) / 5 with 3/8
    expected = 5 / 8 * 2 * (7 / 10 - 5 / 8) ** 2 + 3 / 8 * 2 * (5 / 8 - 1 / 2) ** 2
    assert expected_fall(_MODEL, _inputs([[1.0, 0.0]], [[0.5, 0.5]])) == pytest.approx([expected], abs=1e-6)


def test_doubt_and_few_votes_come_first_and_the_budget_is_spent() -> None:
    inputs = _inputs([[3.0, 0.0], [1.0, 1.0], [5.0, 5.0]], [[0.95, 0.05], [0.5, 0.5], [0.5, 0.5]])
    votes_N, reduction_N = plan(_MODEL, inputs, 1)
    assert votes_N.tolist() == [0, 1, 0] and reduction_N.argmax() == 1
    votes_N, _ = plan(_MODEL, inputs, 12)
    assert votes_N.sum() == 12 and votes_N[1] == votes_N.max() > votes_N[0]
    with pytest.raises(UserError, match="at least 1 vote"):
        plan(_MODEL, inputs, 0)


def _mixed(rows: int, seed: int) -> SimulatedCorpus:
    """Every other utterance is clear, and the ALM recognises its label; the others are ambiguous."""
    corpus = simulated_corpus(rows=rows, votes=10, kappa=4.0, seed=seed)
    clear_NK = np.eye(4)[corpus.q_NK.argmax(1)] * 0.96 + 0.01
    even_N1 = (np.arange(rows) % 2 == 0)[:, None]
    theta_NK = np.where(even_N1, clear_NK, corpus.theta_NK)
    n_NK = np.random.default_rng(seed).multinomial(10, theta_NK).astype(float)
    return SimulatedCorpus(theta_NK, np.where(even_N1, clear_NK, corpus.q_NK), n_NK, corpus.speaker_N)


def test_planning_needs_a_quarter_fewer_votes_than_chance() -> None:
    train, test = _mixed(1500, seed=1), _mixed(700, seed=2)
    model = fit_pooling(label_names(4), ["alm"], train.inputs, np.arange(1.0, 6.0))
    simulation = simulate(model, test.inputs, repeats=2, budgets=(0.5, 1.0, 2.0))
    for score in SCORES:
        assert min(interval.value for interval in simulation.saved[score].values()) > 0.25
        # Both start from the same votes.
        assert simulation.planned[score][0] == pytest.approx(simulation.at_random[score][0])
    with pytest.raises(UserError, match="more than 5 votes"):
        simulate(model, replace(test.inputs, n_NK=np.ones((700, 4))))


def test_a_random_plan_saves_nothing() -> None:
    train = simulated_corpus(rows=600, votes=10, kappa=4.0, seed=3)
    model = fit_pooling(label_names(4), ["alm"], train.inputs, np.arange(1.0, 6.0))
    savings = []
    for seed in range(4):
        test = simulated_corpus(rows=300, votes=10, kappa=4.0, seed=10 + seed)
        rng = np.random.default_rng(seed)
        simulation = simulate(
            model,
            test.inputs,
            repeats=2,
            budgets=(1.0, 2.0),
            seed=seed,
            gain=lambda _model, inputs, rng=rng: rng.random(len(inputs.n_NK)),
        )
        saved = [interval for score in SCORES for interval in simulation.saved[score].values()]
        savings.append([interval.value for interval in saved])
        assert all(interval.low < 0.15 and interval.high > -0.15 for interval in saved)
    assert np.mean(savings) == pytest.approx(0, abs=0.1)


def test_plan_labels_writes_a_batch_for_label_studio(tmp_path: Path) -> None:
    files = write_files(tmp_path, simulated_corpus(rows=400, votes=9))
    out = plan_labels(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        out=tmp_path / "plan",
        budget=50,
        splits=("train",),
    )
    batch = pl.read_csv(out / "batch.csv")
    assert batch["votes_wanted"].sum() == 50
    assert batch["expected_fall"].is_sorted(descending=True)
    tasks = json.loads((out / "tasks.json").read_text())
    assert {task["data"]["utterance_id"] for task in tasks} == set(batch["utterance_id"])
    assert all(not task["predictions"] and not task["annotations"] for task in tasks)
    assert len(Votes.read(files.votes)) == 1200
    with pytest.raises(UserError, match="no utterance is in the splits nowhere"):
        plan_labels(
            utterances=files.utterances,
            votes=files.votes,
            annotations=files.annotations,
            out=tmp_path / "x",
            budget=5,
            splits=("nowhere",),
        )
