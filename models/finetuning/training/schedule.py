"""The learning rate over a run: linear warm-up, then cosine with hard restarts (as in the paper)."""

from __future__ import annotations

import math


def learning_rate_share(step: int, steps: int, warmup_share: float, cycles: int = 1) -> float:
    """The share of the peak learning rate at ``step`` (from 0), in [0, 1].

    Args:
        step: optimiser steps done.
        steps: optimiser steps of the whole run.
        warmup_share: share of the steps over which the rate rises.
        cycles: how often the cosine falls from 1 to 0.
    """
    warmup = round(warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    through = (step - warmup) / max(1, steps - warmup)
    return 0.0 if through >= 1 else 0.5 * (1 + math.cos(math.pi * ((through * cycles) % 1)))
