"""What is trained: LoRA on the language model's attention, and the distribution head on top."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.finetuning.data.batches import Batch
from ambivox.models.finetuning.distributed.sharding import at_rest, whole
from ambivox.models.finetuning.model.distribution_head import DistributionHead, last_token

# The language model's attention only: the audio tower has projections of the same names.
LORA_TARGETS = r".*language_model\.(?:.*\.)?layers\.\d+\.self_attn\.(?:q|k|v|o)_proj"


class DistributionModel(nn.Module):
    """An ALM with adapters and a head: a batch in, ``log_p_BK`` out."""

    def __init__(self, backbone: Backbone, head: DistributionHead, code_ids: list[int] | None = None) -> None:
        """``code_ids`` are the tokens of the answer codes, for a head that starts from the ALM's answer."""
        super().__init__()
        self.code_ids = code_ids or []
        self.alm = backbone.model
        self.head = head
        self.backbone = backbone

    def forward(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """See ``Backbone.hidden`` and ``DistributionHead.forward``."""
        hidden_BTD = self.backbone.hidden(ids_BT, mask_BT, audio_XD)
        answer_BK = None
        if self.code_ids:
            row_B = torch.arange(len(hidden_BTD), device=hidden_BTD.device)
            answer_BK = self.backbone.answer(hidden_BTD[row_B, last_token(mask_BT)], self.code_ids)
        log_p: Tensor = self.head(hidden_BTD, mask_BT, answer_BK)
        return log_p

    def hidden(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """``Backbone.hidden``, whether the weights are sharded or not."""
        return self.backbone.hidden(ids_BT, mask_BT, audio_XD)

    def answer(self, batch: Batch, wrapped: Any = None) -> Tensor:
        """``log_p_BK`` of a batch, which is moved to the model's device.

        Args:
            batch: the rows.
            wrapped: this model inside DDP, to be called instead of it.
        """
        device = self.backbone.device
        log_p: Tensor = (wrapped or self)(
            batch.ids_BT.to(device), batch.mask_BT.to(device), batch.audio_XD.to(device)
        )
        return log_p

    def trainable(self) -> dict[str, Tensor]:
        """The parameters that are trained, by name; of a sharded model, this process's shards."""
        at_rest(self)
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def weights(self) -> dict[str, Tensor]:
        """What is saved: adapters and head, whole and on the CPU. Every process has to ask for it."""
        kept = self.trainable() | {f"head.{name}": value for name, value in self.head.named_buffers()}
        return {name: whole(value).detach().cpu().contiguous() for name, value in kept.items()}


def add_adapters(
    backbone: Backbone,
    labels: int,
    rank: int,
    alpha: int,
    dropout: float,
    seed: int,
    gradient_checkpointing: bool = False,
    code_ids: list[int] | None = None,
) -> DistributionModel:
    """Wrap the backbone with new adapters (in float32) and a new head; both start from ``seed``."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    torch.manual_seed(seed)
    if getattr(backbone.model, "is_loaded_in_4bit", False):
        backbone.model = prepare_model_for_kbit_training(
            backbone.model, use_gradient_checkpointing=gradient_checkpointing
        )
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=LORA_TARGETS, bias="none"
    )
    with warnings.catch_warnings():
        # peft asks transformers by a name that transformers has since changed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        backbone.model = get_peft_model(backbone.model, config)
    if gradient_checkpointing:
        backbone.architecture.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    head = DistributionHead(backbone.width, labels, from_answer=code_ids is not None).to(backbone.device)
    return DistributionModel(backbone, head, code_ids)


def adapted_modules(model: Any) -> list[str]:
    """The names of the modules that have an adapter."""
    return sorted(
        {name.split(".lora_A")[0] for name, _ in model.named_modules() if name.endswith("lora_A.default")}
    )
