"""The presets, and why the small one's loss is not the paper's."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.model.distribution_head import distribution_loss  # noqa: E402
from ambivox.models.finetuning.settings import PAPER, SMALL, Settings, choose  # noqa: E402

TRUTH = np.array([0.55, 0.25, 0.15, 0.05])


def best_constant(settings: Settings, votes: int) -> np.ndarray:
    """The one distribution that this loss likes best for utterances whose few votes are all drawn from TRUTH."""
    shares = torch.tensor(np.random.default_rng(0).multinomial(votes, TRUTH, 4000) / votes)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        log_q = logits.log_softmax(0).expand(len(shares), -1)
        value = distribution_loss(shares, log_q, settings.entropy_weight, settings.loss).mean()
        value.backward()
        return value

    optimiser.step(loss)
    return logits.softmax(0).detach().numpy()


def test_the_small_presets_loss_finds_what_few_votes_are_drawn_from() -> None:
    for votes in (1, 3):
        np.testing.assert_allclose(best_constant(SMALL, votes), TRUTH, atol=0.02)


def test_the_papers_loss_finds_something_more_certain() -> None:
    assert best_constant(PAPER, 1)[0] > 0.9
    assert best_constant(PAPER, 3)[0] > TRUTH[0] + 0.1


def test_the_preset_goes_by_size_and_the_papers_is_the_papers() -> None:
    assert choose("auto", 10_000_000)[0] == "small"
    assert choose("auto", 7_000_000_000) == ("paper", PAPER)
    assert (PAPER.loss, PAPER.entropy_weight, PAPER.learning_rate, PAPER.patience) == ("js", 0.08, 2.5e-6, 8)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lora_dropout": 1.0}, {"learning_rate": 0.0}])
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(UserError):
        Settings(**wrong)
