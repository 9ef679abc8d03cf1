"""Pooling one utterance after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambivox.models.pooling.pooled import PoolingModel, pool

Array = NDArray[np.float64]


def pool_loop(model: PoolingModel, n_NK: Array, q_NK: Array) -> Array:
    """``pool`` for every utterance alone."""
    pooled = [pool(model, n_K[None], q_K[None, None]).p_NK[0] for n_K, q_K in zip(n_NK, q_NK, strict=True)]
    return np.array(pooled)
