"""Checks before training: the audio reaches the model, and padding changes nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.errors import UserError
from ambivox.models.finetuning.model.distribution_head import DistributionHead
from ambivox.models.finetuning.training.sanity_checks import check_before_training


def test_a_batch_equals_its_rows_on_either_side_and_audio_changes_predictions(untrained) -> None:
    checks = check_before_training(*untrained())
    assert checks.batch_difference < 1e-5
    assert checks.change > 1e-4
    assert checks.gradient > 1e-5


def test_a_model_that_the_audio_does_not_reach_is_refused(untrained, monkeypatch) -> None:
    arguments = untrained()
    hidden_states = Backbone.hidden_states
    monkeypatch.setattr(
        Backbone, "hidden_states", lambda self, ids, mask, audio: hidden_states(self, ids, mask, audio * 0)
    )
    with pytest.raises(UserError, match="does not reach the model"):
        check_before_training(*arguments)


def test_a_model_whose_padding_leaks_is_refused(untrained, monkeypatch) -> None:
    arguments = untrained()
    forward = DistributionHead.forward
    monkeypatch.setattr(
        DistributionHead, "forward", lambda self, hidden, mask, _=None: forward(self, hidden, mask * 0 + 1)
    )
    with pytest.raises(UserError, match="padding leaks"):
        check_before_training(*arguments)
