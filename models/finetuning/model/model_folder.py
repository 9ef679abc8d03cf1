"""The folder of a fine-tuned model, which ``predict`` loads, and transformers with peft can load without this project.

adapter_config.json, adapter_model.safetensors    LoRA, in peft's format
distribution_head.safetensors                     the head's weights
ambivox.json                                      labels, prompt, base ALM and its revision, settings
curves.csv, curves.json, curves.svg               loss and development scores per epoch
training.json                                     checks before training, adapted modules, best epoch
rejects.parquet                                   utterances whose audio cannot be read, with reasons
README.md                                         how to load the model without this project
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ambivox.models.alm_backbones.backbone import Backbone, load
from ambivox.models.errors import UserError, memory_is_full
from ambivox.models.file_errors import error_text
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.finetuning.data.prompts import answer_code_ids, build_prompt
from ambivox.models.finetuning.model.card import CARD, Card, read_card
from ambivox.models.finetuning.model.distribution_head import DistributionHead
from ambivox.models.finetuning.model.distribution_model import DistributionModel, without_peft_warning
from ambivox.models.finetuning.model.folder_readme import readme_text

_HEAD = "distribution_head.safetensors"
_WEIGHTS = ("adapter_config.json", "adapter_model.safetensors", _HEAD)
_LONGEST_REASON = 200


def save_model(model: DistributionModel, weights: dict[str, Tensor], card: Card, folder: Path) -> None:
    """Write adapters, head, card and README.

    Args:
        model: The trained model.
        weights: ``model.weights()``, possibly corrected for label shift.
        card: The card.
        folder: An existing folder.
    """
    from safetensors.torch import save_file

    model.alm.peft_config["default"].base_model_name_or_path = card.alm
    model.alm.peft_config["default"].inference_mode = True
    model.alm.save_pretrained(folder, save_embedding_layers=False, state_dict=_with_prefix(weights, "alm."))
    save_file(_with_prefix(weights, "head."), folder / _HEAD)
    (folder / _HEAD).chmod(0o644)
    write_json(folder / CARD, vars(card))
    backbone = model.backbone
    readme = readme_text(
        card.labels,
        card.alm_name,
        card.alm_revision,
        backbone.architecture.prompt(_example_messages(card)),
        model.code_ids,
        backbone.resolved.alm,
        backbone.architecture.input_code,
        card.quantised,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")


def load_model(
    folder: Path, alm: str | None, device: torch.device, dtype: torch.dtype, dequantise: bool = False
) -> tuple[DistributionModel, Card]:
    """Load a fine-tuned model on its base ALM, with 4-bit weights if it was trained on them.

    Args:
        folder: The model's folder.
        alm: Folder or key of the base ALM; by default where it was at training time.
        device: The device to load it to.
        dtype: The type of the base weights.
        dequantise: Convert 4-bit weights to ``dtype``, with the same values.

    Returns:
        The model in evaluation mode, and its card.

    Raises:
        UserError: There is no such model, or the base ALM is not the one that it was trained on.
        MissingExtraError: It needs 4-bit weights and bitsandbytes is not installed.
    """
    card = read_card(folder)
    if missing := [name for name in _WEIGHTS if not (folder / name).is_file()]:
        raise UserError(
            f"{folder}: found no {missing[0]}, expected a folder that finetune wrote; copy it again with all its files"
        )
    backbone = load(alm or card.alm, device, dtype, quantise=card.quantised)
    if backbone.resolved.revision != card.alm_revision:
        raise UserError(
            f"{folder}: found revision {backbone.resolved.revision} of the base ALM at {alm or card.alm}, expected "
            f"revision {card.alm_revision} of {card.alm_name}; give the right ALM with --alm or train again"
        )
    if dequantise and card.quantised:
        backbone.model = backbone.model.dequantize()
    from_answer = bool(card.settings["from_answer"])
    head = DistributionHead(backbone.width, len(card.labels), from_answer=from_answer).to(device)
    _load_weights(backbone, head, folder, device)
    code_ids = answer_code_ids(backbone, card.labels, card.modality) if from_answer else None
    return DistributionModel(backbone, head, code_ids).eval(), card


def _load_weights(backbone: Backbone, head: DistributionHead, folder: Path, device: torch.device) -> None:
    """Load the adapters into the base ALM, and the weights of the head."""
    from peft import PeftModel
    from safetensors.torch import load_file

    try:
        with without_peft_warning():
            # peft only warns, and would keep adapters without effect.
            warnings.filterwarnings("error", message=".*missing adapter keys")
            backbone.model = PeftModel.from_pretrained(backbone.model, folder, torch_device=str(device))
        head.load_state_dict(load_file(folder / _HEAD))
    except Exception as error:
        # The files decide which code of peft runs, and that raises exceptions of many types.
        if memory_is_full(error):
            raise
        reason = error_text(error)[:_LONGEST_REASON]
        raise UserError(
            f"{folder}: its weights cannot be loaded ({type(error).__name__}: {reason}); expected {', '.join(_WEIGHTS)} as "
            "finetune wrote them; copy the folder again, or train again"
        ) from error


def merge(folder: Path, alm: str | None, out: Path, inputs: Iterable[Path | str | None] = ()) -> Path:
    """Write the base ALM with the adapters' weights merged in, which can be served like any other ALM, and the head.

    4-bit weights are written with the same values, dequantised.

    Args:
        folder: The model's folder.
        alm: Folder or key of the base ALM; by default where it was at training time.
        out: The folder to write.
        inputs: Further files and folders that ``out`` must not hold; see ``atomic_folder``.

    Returns:
        ``out``.

    Raises:
        UserError: See ``load_model``.
    """
    from safetensors.torch import save_file

    model, _ = load_model(folder, alm, torch.device("cpu"), torch.float32, dequantise=True)
    backbone: Backbone = model.backbone
    merged = backbone.model.merge_and_unload()
    with atomic_folder(out, (folder, alm, *inputs)) as temporary:
        merged.save_pretrained(temporary)
        backbone.processor.save_pretrained(temporary)
        head = {name: value.contiguous() for name, value in model.head.state_dict().items()}
        save_file(head, temporary / _HEAD)
    return out


def _with_prefix(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names start with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _example_messages(card: Card) -> list[dict[str, Any]]:
    return build_prompt(card.labels, card.modality).messages("TRANSCRIPT")
