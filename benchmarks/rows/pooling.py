"""Pooling votes with an ALM's distributions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool_blocks
from benchmarks.alternatives.pooling import pool_loop
from benchmarks.harness import Method, Row
from benchmarks.rows.votes import LABELS

_UTTERANCES, _SHARE, _FITTED = 1_000_000, 0.002, 2_000


def write_inputs(folder: Path, scale: float) -> None:
    """Votes, and distributions of an ALM that says something about them."""
    rng = np.random.default_rng(1)
    rows = round(_UTTERANCES * scale)
    q_NK = rng.dirichlet(np.full(len(LABELS), 0.5), rows)
    n_NK = rng.multinomial(3, q_NK) + rng.multinomial(1, np.full(len(LABELS), 1 / len(LABELS)), rows)
    np.save(folder / "distributions.npy", q_NK)
    np.save(folder / "votes.npy", n_NK.astype(float))


def _load(folder: Path) -> tuple[PoolingModel, np.ndarray, np.ndarray]:
    n_NK, q_NK = np.load(folder / "votes.npy"), np.load(folder / "distributions.npy")
    rows = slice(0, min(_FITTED, len(n_NK)))
    mass_N1 = np.ones((len(n_NK[rows]), 1))
    train = PoolingInputs(n_NK[rows], q_NK[rows, None], mass_N1, np.arange(len(mass_N1)) % 50)
    return fit_pooling(LABELS, ["alm"], train, n_NK[rows].sum(1)), n_NK, q_NK


def _ours(folder: Path) -> Callable[[], Any]:
    model, n_NK, q_NK = _load(folder)
    return lambda: pool_blocks(model, n_NK, q_NK[:, None])


def _loop(folder: Path) -> Callable[[], Any]:
    model, n_NK, q_NK = _load(folder)
    rows = round(_SHARE * len(n_NK))
    return lambda: pool_loop(model, n_NK[:rows], q_NK[:rows])


ROW = Row(
    title="pool four votes each of a million utterances with an ALM's distributions, by a fitted model",
    write_inputs=write_inputs,
    methods={
        "ours": Method("`pool_blocks`: blocks of utterances, NumPy", _ours, array=lambda pooled: pooled.p_NK),
        "loop": Method("`pool` for every utterance alone", _loop, _SHARE),
    },
    tolerance=1e-9,
    targets={"loop": 20.0},
    items=_UTTERANCES,
)
