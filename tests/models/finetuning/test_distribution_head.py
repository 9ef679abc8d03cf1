"""The head and its loss, against scipy and against the full self-attention that the paper describes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

torch = pytest.importorskip("torch")

from ambivox.models.finetuning.model.distribution_head import (  # noqa: E402
    DistributionHead,
    last_token,
)
from ambivox.models.finetuning.model.distribution_loss import distribution_loss, js_nats  # noqa: E402


def random_rows(rows: int = 50, labels: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(labels) * 0.3, rows), random.dirichlet(np.ones(labels), rows)


def test_the_loss_is_js_in_nats_plus_a_little_entropy() -> None:
    p_NK, q_NK = random_rows()
    p_NK[0] = [1, 0, 0, 0, 0]
    expected = jensenshannon(p_NK, q_NK, axis=1) ** 2 + 0.08 * entropy(q_NK, axis=1)
    loss_N = distribution_loss(torch.tensor(p_NK), torch.tensor(q_NK).log())
    np.testing.assert_allclose(loss_N.numpy(), expected, atol=1e-10)


def test_js_is_zero_for_equals_and_ln_2_for_opposites() -> None:
    p = torch.tensor([[1.0, 0.0], [0.3, 0.7]])
    log_q = torch.tensor([[-200.0, 0.0], [np.log(0.3), np.log(0.7)]], dtype=torch.float32)
    np.testing.assert_allclose(js_nats(p, log_q).numpy(), [np.log(2), 0], atol=1e-6)


def test_the_gradient_is_finite_at_the_corners_and_right_elsewhere() -> None:
    logits = torch.tensor([[80.0, -80.0, 0.0], [0.1, 0.2, -0.3]], requires_grad=True)
    distribution_loss(
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]), logits.log_softmax(-1)
    ).sum().backward()
    assert torch.isfinite(logits.grad).all()
    free = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor(random_rows(4)[0])
    assert torch.autograd.gradcheck(lambda x: distribution_loss(target, x.log_softmax(-1)), free)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(side: str) -> None:
    torch.manual_seed(0)
    head = DistributionHead(32, 4).eval()
    rows = [torch.randn(length, 32) for length in (3, 9, 6)]
    single = torch.cat([head(row[None], torch.ones(1, len(row))) for row in rows])
    hidden, mask = torch.randn(3, 9, 32) * 100, torch.zeros(3, 9, dtype=torch.long)
    for number, row in enumerate(rows):
        columns = slice(0, len(row)) if side == "right" else slice(9 - len(row), 9)
        hidden[number, columns], mask[number, columns] = row, 1
    np.testing.assert_allclose(head(hidden, mask).detach(), single.detach(), atol=1e-5)


def test_one_query_equals_the_full_self_attention() -> None:
    torch.manual_seed(1)
    head = DistributionHead(16, 3, heads=8).eval()
    hidden, mask = torch.randn(2, 7, 16), torch.tensor([[1] * 7, [1] * 4 + [0] * 3])
    attended, _ = head.attention(hidden, hidden, hidden, key_padding_mask=mask == 0)
    pooled = attended[torch.arange(2), [6, 3]]
    expected = head.answer(head.narrow(pooled + head.project(pooled))).log_softmax(-1)
    np.testing.assert_allclose(head(hidden, mask).detach(), expected.detach(), atol=1e-5)


def test_the_last_token_is_found_on_either_side() -> None:
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]])
    assert last_token(mask).tolist() == [1, 3, 3, 2]


def test_a_width_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="divided"):
        DistributionHead(30, 4)


def test_a_head_from_the_answer_starts_at_the_answer_and_learns_its_gain() -> None:
    torch.manual_seed(0)
    head = DistributionHead(16, 3, from_answer=True).eval()
    hidden, mask, code_logits = torch.randn(4, 5, 16), torch.ones(4, 5), torch.randn(4, 3)
    log_p = head(hidden, mask, code_logits)
    np.testing.assert_allclose(log_p.detach(), code_logits.log_softmax(-1), atol=1e-6)
    log_p[:, 0].sum().backward()
    assert head.gain is not None
    assert head.gain.grad is not None


def test_standardising_removes_huge_constant_dimensions() -> None:
    head = DistributionHead(16, 3).eval()
    hidden = torch.randn(2, 6, 16) * torch.logspace(-3, 2, 16) + 1000
    head.standardise(hidden.reshape(-1, 16).mean(0), hidden.reshape(-1, 16).std(0))
    standard = (hidden - head.centre) / head.scale
    assert standard.abs().max() < 10
    head.standardise(torch.zeros(16), torch.zeros(16))
    assert torch.isfinite(head(hidden, torch.ones(2, 6))).all()
