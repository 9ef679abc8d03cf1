"""What the tables say where an utterance has no votes, or neither votes nor answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.source_tables import source_tables
from ambivox.models.tables.label_names import OTHER_COLUMNS
from tests.support.pooling_tables import label_names


def _unequal_votes(seed: int = 0) -> tuple[PoolingModel, np.ndarray]:
    """A model without ALMs, where the rarer emotions have more votes; and further true distributions."""
    rng = np.random.default_rng(seed)

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        kind_N = rng.choice(3, p=[0.8, 0.1, 0.1], size=rows)
        return kind_N, np.stack([rng.dirichlet(0.1 + 6 * np.eye(3)[kind]) for kind in kind_N])

    kind_N, theta_NK = draw(600)
    n_NK = np.stack(
        [rng.multinomial(6 if kind else 2, p_K) for kind, p_K in zip(kind_N, theta_NK, strict=True)]
    )
    inputs = PoolingInputs(n_NK.astype(float), np.zeros((600, 0, 3)), np.zeros((600, 0)), np.arange(600) % 20)
    return fit_pooling(label_names(3), [], inputs, np.array([2.0])), draw(5000)[1]


def test_without_votes_and_answers_the_mean_of_the_mixture_is_closer_than_the_corpus_prior() -> None:
    model, theta_NK = _unequal_votes()
    zero_NK = np.zeros_like(theta_NK)
    inputs = PoolingInputs(zero_NK, np.zeros((5000, 0, 3)), np.zeros((5000, 0)), np.arange(5000))
    pooled = {"pooled": pool(model, zero_NK, inputs.q_NAK)}
    pooled["human_prior"] = pool(model.with_prior_only(), zero_NK, inputs.q_NAK)
    ids = pl.Series([f"u{row}" for row in range(5000)])
    tables = {name: table.frame for name, table in source_tables(ids, inputs, pooled, model, zero_NK).items()}
    assert all(set(frame["fallback"]) == {"prior"} for frame in tables.values())
    # A label of such a name would take the column's place.
    columns = {column for frame in tables.values() for column in frame.columns}
    assert columns - set(model.labels) == set(OTHER_COLUMNS)
    p_K = {name: frame.select(model.labels).to_numpy()[0] for name, frame in tables.items()}
    assert p_K["human"] == pytest.approx(model.prior_K) and p_K["human_prior"] == pytest.approx(model.prior_K)
    error, of_prior = (((theta_NK - p_K[name]) ** 2).sum(1).mean() for name in ("pooled", "human"))
    assert error < 0.8 * of_prior
    # The table expects the error that there is.
    assert tables["pooled"]["expected_squared_error"][0] == pytest.approx(error, rel=0.15)


def test_an_answer_that_adds_no_votes_is_written_as_it_was_pooled() -> None:
    # The usual utterances are clear and their answers say so; an unusual answer makes the posterior less certain.
    rng = np.random.default_rng(0)
    is_usual_N = rng.random(1500) < 0.97
    theta_NK = np.where(
        is_usual_N[:, None],
        rng.dirichlet([30, 0.5, 0.5, 0.5], 1500),
        rng.dirichlet([0.2, 0.5, 0.5, 0.5], 1500),
    )
    n_NK = np.stack([rng.multinomial(8, p_K) for p_K in theta_NK]).astype(float)
    q_NK = np.where(is_usual_N[:, None], [0.91, 0.03, 0.03, 0.03], [0.1, 0.3, 0.3, 0.3])
    inputs = PoolingInputs(n_NK, q_NK[:, None], np.full((1500, 1), np.nan), rng.integers(20, size=1500))
    model = fit_pooling(label_names(4), ["alm"], inputs, np.array([3.0]))
    zero_NK = np.zeros((1500, 4))
    pooled = pool(model, zero_NK, q_NK[:, None])
    assert (pooled.kappa_NA[~is_usual_N] == 0).all()
    ids = pl.Series([f"u{row}" for row in range(1500)])
    silent = replace(inputs, n_NK=zero_NK)
    frame = source_tables(ids, silent, {"pooled": pooled}, model, zero_NK)["pooled"].frame
    assert frame.select(model.labels).to_numpy() == pytest.approx(pooled.p_NK)
    assert set(frame["fallback"]) == {"alm"}
