"""The presets, and why the small one's loss is not the paper's."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.model.distribution_loss import distribution_loss  # noqa: E402
from ambivox.models.finetuning.settings import PAPER, SMALL, FinetuneSettings, choose_preset  # noqa: E402

TRUTH = np.array([0.55, 0.25, 0.15, 0.05])


def best_constant(settings: FinetuneSettings, votes: int) -> np.ndarray:
    """The constant prediction with the smallest loss, for utterances whose few votes are drawn from TRUTH."""
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
    assert choose_preset("auto", 10_000_000)[0] == "small"
    assert choose_preset("auto", 7_000_000_000) == ("paper", PAPER)
    assert (PAPER.loss, PAPER.entropy_weight, PAPER.learning_rate) == ("js", 0.08, 2.5e-6)
    assert PAPER.early_stopping_patience == 8


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lora_dropout": 1.0}, {"learning_rate": 0.0}])
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(UserError):
        FinetuneSettings(**wrong)


def test_trained_weights_do_not_depend_on_checkpoints_and_failures() -> None:
    settings = FinetuneSettings(on_error="stop", checkpoint_seconds=0)
    assert settings.weight_determining() == PAPER.weight_determining()
    assert FinetuneSettings(seed=1).weight_determining() != PAPER.weight_determining()
    assert PAPER.on_error == "reject"
