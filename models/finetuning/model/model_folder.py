"""A fine-tuned model's folder: what ``predict`` loads, and a stranger with transformers and peft can.

adapter_config.json, adapter_model.safetensors    LoRA, as peft writes and reads it
distribution_head.safetensors                     the head's weights
ambivox.json                                      labels, prompt, base ALM and its revision, settings
curves.csv, curves.json, curves.svg               the training run
README.md                                         how to load it without this project
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ambivox.models.alm_backbones.backbone import Backbone, load
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.finetuning.data.examples import answer_codes, question
from ambivox.models.finetuning.model.card import CARD, Card, read_card
from ambivox.models.finetuning.model.distribution_head import DistributionHead
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.model.folder_readme import README

_HEAD = "distribution_head.safetensors"


def save_model(model: DistributionModel, weights: dict[str, Tensor], card: Card, folder: Path) -> None:
    """Write adapter, head, card and README into ``folder``; ``weights`` are what ``model.weights()`` gave."""
    from safetensors.torch import save_file

    model.alm.peft_config["default"].base_model_name_or_path = card.alm
    model.alm.peft_config["default"].inference_mode = True
    model.alm.save_pretrained(folder, save_embedding_layers=False, state_dict=_within(weights, "alm."))
    save_file(_within(weights, "head."), folder / _HEAD)
    (folder / _HEAD).chmod(0o644)
    write_json(folder / CARD, vars(card))
    backbone = model.backbone
    readme = README(
        card.labels,
        card.alm_name,
        card.alm_revision,
        backbone.architecture.prompt(_example(card)),
        model.code_ids,
        backbone.resolved.alm,
        backbone.architecture.reading,
        card.quantised,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")


def load_model(
    folder: Path, alm: str | None, device: torch.device, dtype: torch.dtype, unpacked: bool = False
) -> tuple[DistributionModel, Card]:
    """The model as it was saved, on its base ALM: with 4-bit weights where it was trained on those.

    Args:
        folder: what ``save_model`` wrote.
        alm: the base ALM where it is elsewhere than when it was trained.
        device: where it goes.
        dtype: of the base weights.
        unpacked: 4-bit weights become ordinary ones of the same values.

    Raises:
        UserError: no such model, the base ALM is not the one it was trained on, or it needs 4-bit weights and
            bitsandbytes is missing.
    """
    from peft import PeftModel
    from safetensors.torch import load_file

    card = read_card(folder)
    backbone = load(alm or card.alm, device, dtype, quantise=card.quantised)
    if backbone.resolved.revision != card.alm_revision:
        raise UserError(
            f"{folder} was trained on revision {card.alm_revision} of {card.alm_name}, "
            f"found {backbone.resolved.revision} at {alm or card.alm}; give the right one with --alm or train again"
        )
    if unpacked and card.quantised:
        backbone.model = backbone.model.dequantize()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        backbone.model = PeftModel.from_pretrained(backbone.model, folder, torch_device=str(device))
    from_answer = bool(card.settings["from_answer"])
    head = DistributionHead(backbone.width, len(card.labels), from_answer=from_answer).to(device)
    head.load_state_dict(load_file(folder / _HEAD))
    codes = answer_codes(backbone, card.labels, card.modality) if from_answer else None
    return DistributionModel(backbone, head, codes).eval(), card


def merge(folder: Path, alm: str | None, out: Path) -> Path:
    """Write the base ALM with the adapter's weights added in, to be served like any other; the head beside it.

    Weights that were 4-bit in training are written as the ordinary numbers that they stood for.
    """
    from safetensors.torch import save_file

    from ambivox.models.files import atomic_folder

    model, _ = load_model(folder, alm, torch.device("cpu"), torch.float32, unpacked=True)
    backbone: Backbone = model.backbone
    merged = backbone.model.merge_and_unload()
    with atomic_folder(out) as temporary:
        merged.save_pretrained(temporary)
        backbone.processor.save_pretrained(temporary)
        save_file(
            {name: value.contiguous() for name, value in model.head.state_dict().items()}, temporary / _HEAD
        )
    return out


def _within(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _example(card: Card) -> list[dict[str, Any]]:
    return question(card.labels, card.modality).messages("TRANSCRIPT")
