"""QLoRA: training on 4-bit weights, and using the models that come of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("bitsandbytes")

from ambivox.models.alm_backbones.backbone import load  # noqa: E402
from ambivox.models.alm_backbones.libraries import prepare_libraries  # noqa: E402
from ambivox.models.audio.decoding import decode  # noqa: E402
from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.model.card import read_card  # noqa: E402
from ambivox.models.finetuning.model.model_folder import load_model, merge  # noqa: E402
from ambivox.models.statistics.metrics import jensen_shannon  # noqa: E402
from ambivox.models.tables import Distributions, Utterances  # noqa: E402
from tests.support.finetuned_models import (  # noqa: E402
    CPU_TEST_OPTIONS,
    finetune_tones,
    predict_split,
    predictions_of_merged,
    readme_namespace,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def four_bit(tones, run_arguments, folder: Path) -> Path:
    """A model that was trained on 4-bit weights."""
    options = CPU_TEST_OPTIONS | {"epochs": 2, "quantise": True}
    arguments = run_arguments | {"augmented": None, "options": options}
    return finetune_tones(tones, folder / "four-bit", **arguments)


@pytest.fixture(scope="module")
def development_predictions(tones, four_bit: Path, folder: Path) -> Distributions:
    """Its predictions for the split development."""
    return predict_split(tones, four_bit, folder / "states", "development")


def test_qlora_trains_on_four_bit_weights(random_alm, four_bit) -> None:
    modules = dict(load(str(random_alm), CPU, torch.float32, quantise=True).model.named_modules())
    quantised = {name for name, module in modules.items() if type(module).__name__ == "Linear4bit"}
    linear = {name for name, module in modules.items() if isinstance(module, torch.nn.Linear)}
    assert quantised == {name for name in linear if name.startswith("model.language_model.layers.")}
    assert any("audio_tower" in name for name in linear)
    assert json.loads((four_bit / "training.json").read_text())["checks"]["gradient"] > 0


def test_a_forward_pass_in_evaluation_mode_leaves_four_bit_weights_trainable(random_alm) -> None:
    backbone = load(str(random_alm), CPU, torch.float32, quantise=True)
    layer = backbone.model.model.language_model.layers[0].mlp.up_proj
    hidden = torch.randn(1, 3, backbone.width)
    with torch.no_grad():
        expected = layer(hidden)
    output = layer(hidden.requires_grad_())
    output.sum().backward()
    assert hidden.grad is not None
    torch.testing.assert_close(output.detach(), expected, rtol=0, atol=0)


def test_a_model_trained_on_four_bits_predicts_with_four_bits(
    tones, four_bit, development_predictions, random_alm
) -> None:
    run = json.loads((four_bit / "curves.json").read_text())
    in_training = run["curves"][run["best_epoch"] - 1]["development_js"]
    ids = development_predictions.frame["utterance_id"]
    target_NK = Distributions.read(tones.human).aligned(ids)
    js = float(jensen_shannon(target_NK, development_predictions.aligned(ids)).mean())
    assert js == pytest.approx(in_training, abs=1e-7)
    # Dequantised weights keep the 4-bit values, which are not those of the original ALM.
    model, _ = load_model(four_bit, None, CPU, torch.float32)
    dequantised, _ = load_model(four_bit, None, CPU, torch.float32, dequantise=True)
    original = load(str(random_alm), CPU, torch.float32).model.state_dict()
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    weights = dequantised.backbone.model.base_model.model.state_dict()[name]
    assert weights.sub(original[name]).abs().max() > 1e-3 * original[name].abs().max()
    assert model.backbone.model.base_model.model.is_loaded_in_4bit


def test_the_readmes_code_loads_four_bits_and_merged_weights_predict_the_same(
    tones, four_bit, development_predictions, random_alm, tmp_path
) -> None:
    readme = readme_namespace(four_bit)
    loaded = readme["load"](str(four_bit), str(random_alm))
    development = Utterances.read(tones.utterances).in_splits("development")
    frame = development.frame
    p_NK = development_predictions.aligned(frame["utterance_id"])
    for audio, transcript, expected in zip(frame["audio"][:2], frame["transcript"][:2], p_NK, strict=False):
        distribution = readme["distribution"](*loaded, decode(audio), transcript)
        np.testing.assert_allclose(list(distribution.values()), expected, atol=2e-5)
    merged_NK = predictions_of_merged(merge(four_bit, None, tmp_path / "merged"), development)
    np.testing.assert_allclose(merged_NK, p_NK, atol=1e-4)


def test_without_bitsandbytes_prediction_says_what_to_install(four_bit, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="bitsandbytes"):
        load_model(four_bit, None, CPU, torch.float32)
    with pytest.raises(UserError, match="4-bit"):
        prepare_libraries(four_bit=read_card(four_bit).quantised)


def test_without_bitsandbytes_qlora_says_what_to_install(random_alm, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="bitsandbytes"):
        load(str(random_alm), CPU, torch.float32, quantise=True)
