"""The learning rate over a run: linear warm-up, then cosine with hard restarts (arXiv 2601.14620).

``transformers.get_cosine_with_hard_restarts_schedule_with_warmup`` gives the same values after the warm-up. During the
warm-up its values are those of the previous step, so its first step has a learning rate of 0 and trains nothing. This
function raises the rate from the first step on. It is a pure function of the step, so a resumed run needs no scheduler
state.
"""

from __future__ import annotations

import math


def learning_rate_share(step: int, steps: int, warmup_share: float, cycles: int = 1) -> float:
    """Compute the share of the peak learning rate, in [0, 1].

    Args:
        step: The current optimiser step, from 0.
        steps: The optimiser steps of the whole run.
        warmup_share: The share of the steps over which the rate rises, in [0, 1).
        cycles: How often the cosine falls from 1 to 0.

    Example:
        >>> [learning_rate_share(step, 4, 0.5) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warmup = round(warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.0 if progress >= 1 else 0.5 * (1 + math.cos(math.pi * ((progress * cycles) % 1)))
