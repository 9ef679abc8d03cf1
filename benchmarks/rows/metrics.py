"""Jensen-Shannon divergence of many pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ambivox.models.statistics.metrics import jensen_shannon
from benchmarks.alternatives.scores import jensen_shannon_rows
from benchmarks.harness import Method, Row

_PAIRS, _SHARE = 1_000_000, 0.01


def write_inputs(folder: Path, scale: float) -> None:
    """Two arrays of distributions over six labels."""
    rng = np.random.default_rng(0)
    pairs = rng.dirichlet(np.full(6, 0.5), (2, round(_PAIRS * scale)))
    np.save(folder / "pairs.npy", pairs)


def _with(score: Callable[..., Any], share: float) -> Callable[[Path], Callable[[], Any]]:
    def load(folder: Path) -> Callable[[], Any]:
        p_NK, q_NK = np.load(folder / "pairs.npy")
        rows = round(len(p_NK) * share)
        return lambda: score(p_NK[:rows], q_NK[:rows])

    return load


ROW = Row(
    title="Jensen-Shannon divergence of a million pairs of distributions over six labels",
    write_inputs=write_inputs,
    methods={
        "ours": Method(
            "`jensen_shannon`: checks that rows are distributions, NumPy", _with(jensen_shannon, 1)
        ),
        "scipy": Method(
            "`scipy.spatial.distance.jensenshannon` row by row, squared",
            _with(jensen_shannon_rows, _SHARE),
            _SHARE,
        ),
    },
    tolerance=1e-9,
    targets={"scipy": 200.0},
    items=_PAIRS,
)
