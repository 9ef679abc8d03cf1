"""The trained model: LoRA on the language model's attention, and the distribution head on top."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.finetuning.data.batches import Batch
from ambivox.models.finetuning.distributed.sharding import full_tensor, reshard
from ambivox.models.finetuning.model.distribution_head import DistributionHead, last_token

# The language model's attention only: the audio tower has projections with the same names.
LORA_TARGETS = r".*language_model\.(?:.*\.)?layers\.\d+\.self_attn\.(?:q|k|v|o)_proj"


class DistributionModel(nn.Module):
    """An ALM with adapters and a head: a batch to ``log_p_BK``."""

    def __init__(self, backbone: Backbone, head: DistributionHead, code_ids: list[int] | None = None) -> None:
        """Combine an ALM and a head.

        Args:
            backbone: The ALM, with adapters.
            head: The head.
            code_ids: The tokens of the answer codes, for a head that corrects the ALM's own answer.
        """
        super().__init__()
        self.code_ids = code_ids or []
        self.alm = backbone.model
        self.head = head
        self.backbone = backbone

    @property
    def pad_id(self) -> int:
        """The token for padding; it is masked, so its choice does not matter."""
        pad_id = self.backbone.tokenizer.pad_token_id
        return 0 if pad_id is None else int(pad_id)

    def forward(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """See ``Backbone.hidden_states`` and ``DistributionHead.forward``."""
        hidden_BTD = self.backbone.hidden_states(ids_BT, mask_BT, audio_XD)
        code_logits_BK = None
        if self.code_ids:
            row_B = torch.arange(len(hidden_BTD), device=hidden_BTD.device)
            code_logits_BK = self.backbone.code_logits(hidden_BTD[row_B, last_token(mask_BT)], self.code_ids)
        log_p_BK: Tensor = self.head(hidden_BTD, mask_BT, code_logits_BK)
        return log_p_BK

    def hidden_states(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """See ``Backbone.hidden_states``; works with sharded weights, too."""
        return self.backbone.hidden_states(ids_BT, mask_BT, audio_XD)

    def predict_batch(self, batch: Batch, wrapped: Any = None) -> Tensor:
        """Compute ``log_p_BK`` of a batch, which is moved to the model's device.

        Args:
            batch: The rows.
            wrapped: This model inside DDP, which is then called instead.
        """
        device = self.backbone.device
        log_p_BK: Tensor = (wrapped or self)(
            batch.ids_BT.to(device), batch.mask_BT.to(device), batch.audio_XD.to(device)
        )
        return log_p_BK

    def autocast(self) -> torch.autocast:
        """A block with bfloat16 arithmetic if the weights are bfloat16."""
        is_bfloat16 = self.backbone.dtype == torch.bfloat16
        return torch.autocast(self.backbone.device.type, torch.bfloat16, enabled=is_bfloat16)

    def trainable(self) -> dict[str, Tensor]:
        """The trained parameters by name; of a sharded model, this process's shards."""
        reshard(self)
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def weights(self) -> dict[str, Tensor]:
        """The weights that are saved: adapters and head, unsharded, on the CPU. Every process has to call this."""
        saved = self.trainable() | {f"head.{name}": value for name, value in self.head.named_buffers()}
        return {name: full_tensor(value).detach().cpu().contiguous() for name, value in saved.items()}


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
    """Add new adapters (in float32) and a new head to an ALM.

    Args:
        backbone: The ALM; peft wraps its ``model``.
        labels: The number of labels.
        rank: Rank of the adapters.
        alpha: Scale of the adapters.
        dropout: Dropout before the adapters.
        seed: Determines the initial weights.
        gradient_checkpointing: Save memory at the cost of computing time.
        code_ids: The tokens of the answer codes, for a head that corrects the ALM's own answer.

    Returns:
        The model.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    torch.manual_seed(seed)
    if getattr(backbone.model, "is_loaded_in_4bit", False):
        backbone.model = prepare_model_for_kbit_training(
            backbone.model, use_gradient_checkpointing=gradient_checkpointing
        )
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=LORA_TARGETS, bias="none"
    )
    with without_peft_warning():
        backbone.model = get_peft_model(backbone.model, config)
    if gradient_checkpointing:
        backbone.architecture.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    head = DistributionHead(backbone.width, labels, from_answer=code_ids is not None).to(backbone.device)
    return DistributionModel(backbone, head, code_ids)


def adapted_modules(model: Any) -> list[str]:
    """The names of the modules with an adapter, sorted."""
    return sorted(
        {name.split(".lora_A")[0] for name, _ in model.named_modules() if name.endswith("lora_A.default")}
    )


@contextmanager
def without_peft_warning() -> Iterator[None]:
    """Suppress peft's warning about an attribute that transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield
