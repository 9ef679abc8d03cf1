"""The folder of a fine-tuned model: loaded without this project, merged, moved, and from version 0.1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch

from ambivox.models.audio.decoding import decode
from ambivox.models.errors import UserError
from ambivox.models.finetuning.model.card import read_card
from ambivox.models.finetuning.model.model_folder import load_model, merge
from ambivox.models.tables import Utterances
from tests.support.finetuned_models import (
    predict_split,
    predictions_of_merged,
    readme_namespace,
)


def test_the_readmes_code_gives_the_same_predictions(tones, random_alm, model, predictions) -> None:
    readme = readme_namespace(model)
    loaded = readme["load"](str(model), str(random_alm))
    test = Utterances.read(tones.utterances).in_splits("test").frame
    p_NK = predictions.aligned(test["utterance_id"])
    for audio, transcript, expected in zip(test["audio"][:4], test["transcript"][:4], p_NK, strict=False):
        distribution = readme["distribution"](*loaded, decode(audio), transcript)
        np.testing.assert_allclose(list(distribution.values()), expected, atol=2e-5)
        assert tuple(distribution) == predictions.labels


def test_merged_weights_predict_as_adapter_and_base_do(tones, model, predictions, tmp_path) -> None:
    test = Utterances.read(tones.utterances).in_splits("test")
    p_NK = predictions_of_merged(merge(model, None, tmp_path / "merged"), test)
    np.testing.assert_allclose(p_NK, predictions.aligned(test.frame["utterance_id"]), atol=1e-4)


def test_another_base_model_is_refused(tones, random_alm, model, folder, tmp_path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(random_alm, changed)
    config = json.loads((changed / "generation_config.json").read_text())
    (changed / "generation_config.json").write_text(json.dumps(config | {"max_new_tokens": 7}))
    with pytest.raises(UserError, match="expected revision"):
        predict_split(tones, model, folder / "states", alm=str(changed))


def of_version_0_1(model: Path, folder: Path) -> Path:
    """A copy of a model with the names that its card had in version 0.1."""
    shutil.copytree(model, folder)
    card = json.loads((folder / "ambivox.json").read_text())
    settings = card["settings"]
    card["arm"] = card.pop("modality")
    settings["arm"] = settings.pop("modality")
    settings["patience"] = settings.pop("early_stopping_patience")
    settings["prior"] = "recorded" if settings.pop("correct_label_shift") else "augmented"
    settings["on_error"] = "leave-out"
    (folder / "ambivox.json").write_text(json.dumps(card))
    return folder


def test_a_model_of_version_0_1_predicts_the_same(tones, model, predictions, folder, tmp_path) -> None:
    old = of_version_0_1(model, tmp_path / "old")
    assert read_card(old) == read_card(model)
    assert predict_split(tones, old, folder / "states").frame.equals(predictions.frame)


def test_a_corrected_prior_of_version_0_1_is_read_as_corrected_label_shift(model, tmp_path) -> None:
    old = of_version_0_1(model, tmp_path / "old")
    card = json.loads((old / "ambivox.json").read_text())
    card["settings"]["prior"] = "recorded"
    (old / "ambivox.json").write_text(json.dumps(card))
    assert read_card(old).settings["correct_label_shift"] is True
    assert read_card(model).settings["correct_label_shift"] is False


def test_a_folder_without_a_card_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="in a folder that finetune wrote"):
        read_card(tmp_path)


DAMAGES = {
    "none": None,
    "empty": b"",
    "letter": b"Dear Ann,\n",
    "JSON list": b"[]",
    "other type": b'{"peft_type": "NONSENSE"}',
    "texts for numbers": b'{"peft_type": "LORA", "r": "many", "target_modules": 3}',
    "no tensors": (2).to_bytes(8, "little") + b"{}",
    "header without end": (1 << 40).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(
            ("adapter_config.json", damage)
            for damage in ("none", "letter", "JSON list", "other type", "texts for numbers")
        ),
        *(
            ("adapter_model.safetensors", damage)
            for damage in ("none", "empty", "no tensors", "header without end")
        ),
        *(("distribution_head.safetensors", damage) for damage in ("none", "letter", "no tensors")),
    ],
)
def test_damaged_weights_are_one_line_that_names_the_folder(model, tmp_path, name, damage) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(model, folder)
    (folder / name).unlink()
    if (content := DAMAGES[damage]) is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=r"damaged: (found no|its weights)") as caught:
        load_model(folder, None, torch.device("cpu"), torch.float32)
    assert len(str(caught.value)) < 700
