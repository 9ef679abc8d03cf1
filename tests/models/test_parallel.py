"""Tests of the limit of BLAS to one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ambivox.models.parallel import one_blas_thread
from ambivox.models.pooling import fit
from ambivox.models.pooling.inputs import PoolingInputs


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_one_thread_while_the_context_lasts() -> None:
    with threadpool_limits(2, "blas"):
        with one_blas_thread():
            inside = blas_threads()
        outside = blas_threads()
    assert inside == [1] * len(outside)
    assert max(outside) == 2


def test_a_fit_uses_one_blas_thread_and_gives_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    q_NK = rng.dirichlet(np.ones(3), 120)
    n_NK = np.stack([rng.multinomial(4, q_K) for q_K in q_NK]).astype(float)
    inputs = PoolingInputs(n_NK, q_NK[:, None], np.ones((120, 1)), np.arange(120) % 10)
    threads: list[int] = []
    minimize = fit.minimize

    def recorded(*arguments: Any, **options: Any) -> Any:
        threads.extend(blas_threads())
        return minimize(*arguments, **options)

    monkeypatch.setattr(fit, "minimize", recorded)
    models = []
    for limit in (1, 2):
        with threadpool_limits(limit, "blas"):
            models.append(fit.fit_pooling(("a", "b", "c"), ["alm"], inputs, np.full(120, 3.0)))
    assert threads and set(threads) == {1}
    first, second = models
    assert first.alms[0].weights_F.tobytes() == second.alms[0].weights_F.tobytes()
