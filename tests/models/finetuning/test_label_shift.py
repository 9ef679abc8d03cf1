"""Label shift: DiME-Aug changes the label frequencies, and the correction undoes that."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.augmentation.dime_aug import DimeAugSettings, plan  # noqa: E402
from ambivox.models.finetuning.data.examples import Examples  # noqa: E402
from ambivox.models.finetuning.model.distribution_head import DistributionHead  # noqa: E402
from ambivox.models.finetuning.model.label_shift import correct_label_shift, log_label_shift  # noqa: E402
from ambivox.models.tables import Distributions, Utterances  # noqa: E402
from tests.support.finetuned_models import CPU_TEST_OPTIONS, finetune_tones, predict_split  # noqa: E402


def examples_with(target_NK: np.ndarray, weight_N: np.ndarray | None = None) -> Examples:
    count = len(target_NK)
    weights = np.ones(count) if weight_N is None else weight_N
    return Examples([""] * count, [[]] * count, [""] * count, target_NK, weights)


def test_the_ratio_by_hand() -> None:
    recorded = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    mixed = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    shift = log_label_shift(examples_with(np.concatenate([recorded, mixed])), 2)
    np.testing.assert_allclose(shift.exp(), [0.75 / 0.375, 0.25 / 0.625, 1.0])
    weight_N = np.array([1.0, 1.0, 0.5, 0.5])
    weighted = log_label_shift(examples_with(np.concatenate([recorded, mixed]), weight_N), 2)
    np.testing.assert_allclose(weighted.exp(), [0.75 / 0.5, 0.25 / 0.5, 1.0])


def test_nothing_mixed_changes_nothing() -> None:
    assert not log_label_shift(examples_with(np.array([[0.2, 0.8], [0.0, 1.0]])), 0).any()


def test_the_corrected_head_answers_with_probabilities_times_the_ratio() -> None:
    torch.manual_seed(0)
    head = DistributionHead(16, 3).eval()
    hidden, mask, shift = torch.randn(4, 5, 16), torch.ones(4, 5), torch.tensor([0.5, -1.0, 0.1])
    weights = {f"head.{name}": value for name, value in head.state_dict().items()}
    with torch.no_grad():
        before = head(hidden, mask).exp() * shift.exp()
        head.load_state_dict(
            {name[5:]: value for name, value in correct_label_shift(weights, shift.double()).items()}
        )
        after = head(hidden, mask).exp()
    torch.testing.assert_close(after, before / before.sum(dim=1, keepdim=True))


def test_the_correction_undoes_what_dime_aug_does_to_a_learner_of_shares() -> None:
    # For audio without information the best prediction is the examples' mean; for human votes, the recorded examples'.
    random = np.random.default_rng(0)
    p_NK = random.dirichlet([4, 2, 1, 1], 400)
    lineage = plan(random.standard_normal((400, 3)), p_NK, DimeAugSettings(ratio=0.8))
    mixed_SK = lineage.distributions(p_NK)
    all_NK = np.concatenate([p_NK, mixed_SK])
    learned = all_NK.mean(axis=0) * log_label_shift(examples_with(all_NK), len(mixed_SK)).exp().numpy()
    assert np.abs(all_NK.mean(axis=0) - p_NK.mean(axis=0)).max() > 0.05
    np.testing.assert_allclose(learned / learned.sum(), p_NK.mean(axis=0), rtol=1e-9)


def test_the_prior_that_dime_aug_changed_is_taken_back(tones, run_arguments, augmented, folder) -> None:
    p_NK = {}
    for correct in (True, False):
        options = CPU_TEST_OPTIONS | {"epochs": 1, "correct_label_shift": correct}
        arguments = run_arguments | {"options": options}
        model = finetune_tones(tones, folder / f"label-shift-{correct}", **arguments)
        predictions = predict_split(tones, model, folder / "states")
        p_NK[correct] = predictions.aligned(predictions.frame["utterance_id"])
    train = Utterances.read(tones.utterances).in_splits("train").frame["utterance_id"]
    recorded_NK = Distributions.read(tones.human).aligned(train)
    mixed = Distributions.read(augmented / "distributions.parquet")
    mixed_NK = mixed.aligned(mixed.frame["utterance_id"])
    ratio_K = recorded_NK.mean(axis=0) / np.concatenate([recorded_NK, mixed_NK]).mean(axis=0)
    assert np.abs(ratio_K - 1).max() > 0.05
    expected_NK = p_NK[False] * ratio_K
    np.testing.assert_allclose(p_NK[True], expected_NK / expected_NK.sum(axis=1, keepdims=True), atol=1e-5)
