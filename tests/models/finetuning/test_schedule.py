"""The learning-rate schedule beside that of transformers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from ambivox.models.finetuning.settings import PAPER, SMALL  # noqa: E402
from ambivox.models.finetuning.training.schedule import learning_rate_share  # noqa: E402


def of_transformers(steps: int, warmup: int, cycles: int) -> list[float]:
    """The share of the peak learning rate per step."""
    from transformers import get_cosine_with_hard_restarts_schedule_with_warmup

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_cosine_with_hard_restarts_schedule_with_warmup(optimiser, warmup, steps, cycles)
    shares = []
    for _ in range(steps):
        shares.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    return shares


@pytest.mark.parametrize("cycles", [1, 3])
@pytest.mark.parametrize("settings", [SMALL, PAPER], ids=["small", "paper"])
def test_it_is_that_of_transformers_but_for_a_warm_up_that_starts_above_zero(settings, cycles: int) -> None:
    steps = settings.epochs * 14
    warmup = round(settings.warmup_share * steps)
    shares = [learning_rate_share(step, steps, settings.warmup_share, cycles) for step in range(steps)]
    expected = of_transformers(steps, warmup, cycles)
    assert shares[warmup:] == pytest.approx(expected[warmup:], abs=1e-12)
    # During the warm-up it is one step ahead: the first step of transformers' schedule changes nothing.
    assert expected[0] == 0
    assert shares[: warmup - 1] == pytest.approx(expected[1:warmup], abs=1e-12)
    assert shares[warmup - 1] == pytest.approx(1.0)
