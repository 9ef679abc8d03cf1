"""The prior that DiME-Aug changes, and that the answer takes back."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ambivox.models.augmentation.dime_aug import DimeAugSettings, plan  # noqa: E402
from ambivox.models.finetuning.data.examples import Examples  # noqa: E402
from ambivox.models.finetuning.model.distribution_head import DistributionHead  # noqa: E402
from ambivox.models.finetuning.model.label_shift import corrected, log_ratio  # noqa: E402


def examples_of(target_NK: np.ndarray, weight_N: np.ndarray | None = None) -> Examples:
    count = len(target_NK)
    weights = np.ones(count) if weight_N is None else weight_N
    return Examples([""] * count, [[]] * count, [""] * count, target_NK, weights)


def test_the_ratio_by_hand() -> None:
    recorded = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    mixed = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    found = log_ratio(examples_of(np.concatenate([recorded, mixed])), 2)
    np.testing.assert_allclose(found.exp(), [0.75 / 0.375, 0.25 / 0.625, 1.0])
    weighted = log_ratio(examples_of(np.concatenate([recorded, mixed]), np.array([1.0, 1.0, 0.5, 0.5])), 2)
    np.testing.assert_allclose(weighted.exp(), [0.75 / 0.5, 0.25 / 0.5, 1.0])


def test_nothing_mixed_changes_nothing() -> None:
    assert not log_ratio(examples_of(np.array([[0.2, 0.8], [0.0, 1.0]])), 0).any()


def test_the_corrected_head_answers_with_probabilities_times_the_ratio() -> None:
    torch.manual_seed(0)
    head = DistributionHead(16, 3).eval()
    hidden, mask, shift = torch.randn(4, 5, 16), torch.ones(4, 5), torch.tensor([0.5, -1.0, 0.1])
    weights = {f"head.{name}": value for name, value in head.state_dict().items()}
    with torch.no_grad():
        before = head(hidden, mask).exp() * shift.exp()
        head.load_state_dict({name[5:]: value for name, value in corrected(weights, shift.double()).items()})
        after = head(hidden, mask).exp()
    torch.testing.assert_close(after, before / before.sum(dim=1, keepdim=True))


def test_the_correction_undoes_what_dime_aug_does_to_a_learner_of_shares() -> None:
    # Of a sound that says nothing, the best answer is the mean of the examples; people's is that of the recorded ones.
    random = np.random.default_rng(0)
    p_NK = random.dirichlet([4, 2, 1, 1], 400)
    lineage = plan(random.standard_normal((400, 3)), p_NK, DimeAugSettings(ratio=0.8))
    mixed_SK = lineage.distributions(p_NK)
    everything = np.concatenate([p_NK, mixed_SK])
    learned = everything.mean(axis=0) * log_ratio(examples_of(everything), len(mixed_SK)).exp().numpy()
    assert np.abs(everything.mean(axis=0) - p_NK.mean(axis=0)).max() > 0.05
    np.testing.assert_allclose(learned / learned.sum(), p_NK.mean(axis=0), rtol=1e-9)
