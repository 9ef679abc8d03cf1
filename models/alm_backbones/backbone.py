"""A loaded ALM: recordings to kept audio states, those and a prompt to the language model's last hidden states.

A frozen tower says the same of a recording every epoch, so its states are computed once and kept; what is
trained reads them from there. How a particular ALM is built is in models/alm_backbones/architecture.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.alm_backbones.architecture import Architecture, architecture_of
from ambivox.models.alms import resolve
from ambivox.models.errors import MissingExtraError
from ambivox.models.prompting.alm_spec import ResolvedAlm

# QLoRA (arXiv 2305.14314): what a base ALM is loaded with for ``--quantise``, and for whatever was trained so.
FOUR_BIT: dict[str, Any] = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    # A pattern of the modules left as they are: all but the language model's. What a packed tower says would differ
    # from what is kept of the same recordings for other runs.
    "llm_int8_skip_modules": [r"(?!.*language_model\.).+"],
}


@dataclass
class Backbone:
    """``model`` may be wrapped by peft, which changes the parts that ``architecture`` knows in place."""

    model: Any
    processor: Any
    resolved: ResolvedAlm
    device: torch.device
    dtype: torch.dtype

    def __post_init__(self) -> None:
        self._alm = self.model

    @cached_property
    def architecture(self) -> Architecture:
        """How this ALM is built."""
        return architecture_of(self._alm, self.processor, self.resolved.alm)

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def width(self) -> int:
        """The language model's hidden size."""
        return int(self._alm.config.get_text_config().hidden_size)

    @property
    def embeddings(self) -> tuple[Any, Any]:
        """The modules at the language model's two ends: token to vector, and hidden state to logits (or None)."""
        return self.architecture.language_model.get_input_embeddings(), self._alm.get_output_embeddings()

    @property
    def audio_token_id(self) -> int:
        """The token whose places the audio takes."""
        return self.architecture.audio_token_id

    def parameters(self) -> int:
        """How many parameters the ALM has."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """The prompt's token ids, the audio token repeated ``audio_tokens`` times."""
        return self.architecture.prompt_ids(messages, audio_tokens)

    def audio_states(self, recordings: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """What the frozen part of the ALM says of each recording, (audio tokens, width)."""
        return self.architecture.audio_states(recordings)

    def hidden(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """The language model's last hidden states, (B, T, width).

        Args:
            ids_BT: token ids.
            mask_BT: 1 for tokens, 0 for padding, on either side.
            audio_XD: the audio states of all rows, one after the other; as many as there are audio tokens.
        """
        language_model = self.architecture.language_model
        embedded_BTD = language_model.get_input_embeddings()(ids_BT)
        heard_XD = self.architecture.embed(audio_XD).to(embedded_BTD.dtype)
        embedded_BTD = embedded_BTD.masked_scatter((ids_BT == self.audio_token_id).unsqueeze(-1), heard_XD)
        position_BT = (mask_BT.cumsum(dim=-1) - 1).clamp_min(0)
        hidden: Tensor = language_model(
            inputs_embeds=embedded_BTD, attention_mask=mask_BT, position_ids=position_BT, use_cache=False
        ).last_hidden_state
        return hidden

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:
        """The token of each answer code after this prompt."""
        return self.architecture.code_ids(messages, codes)

    def answer(self, last_BD: Tensor, code_ids: list[int]) -> Tensor:
        """The language model's logits of these tokens, from its hidden states at the last position."""
        return last_BD @ self._alm.get_output_embeddings().weight[code_ids].to(last_BD.dtype).T


def load(
    alm: str, device: torch.device, dtype: torch.dtype, quantise: bool = False, to_be_sharded: bool = False
) -> Backbone:
    """Load an ALM by folder or key, all of it frozen and in evaluation mode.

    Args:
        alm: a local folder, or a key of models/alms/.
        device: where it goes.
        dtype: of its weights.
        quantise: 4-bit weights for QLoRA (needs bitsandbytes).
        to_be_sharded: the language model stays in the host's memory, from where its shards go to the devices: it
            need not fit on one. What hears goes to the device whole.

    Raises:
        UserError: no such ALM, or one that cannot be opened up.
    """
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    resolved = resolve(alm)
    where: dict[str, Any] = {} if resolved.is_local else {"revision": resolved.revision}
    where |= {"local_files_only": resolved.is_local, "trust_remote_code": False}
    processor = getattr(transformers, resolved.alm.processor_class).from_pretrained(resolved.source, **where)
    if quantise:
        where |= {"quantization_config": _four_bit(dtype), "device_map": {"": device}}
    kind = getattr(transformers, resolved.alm.transformers_class)
    model = kind.from_pretrained(resolved.source, dtype=dtype, use_safetensors=True, **where)
    model.requires_grad_(False)
    model.eval()
    found = Backbone(model, processor, resolved, device, dtype)
    architecture = found.architecture  # An ALM that cannot be opened up is refused here.
    if quantise:
        _disable_inference_packing(model)
    else:
        for part in architecture.hearing if to_be_sharded else [model]:
            part.to(device)
    return found


def best_device() -> tuple[torch.device, torch.dtype]:
    """The GPU with bfloat16 where there is one that has it, else float32."""
    if torch.cuda.is_available():
        import os

        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), torch.float32


def _disable_inference_packing(model: Any) -> None:
    """Keep 4-bit weights in the layout that training needs, on every CPU.

    On CPUs with avx512_bf16, a ``Linear4bit`` in evaluation mode repacks its weights in place for a bfloat16 kernel.
    That kernel has no gradient, so training after any forward pass in evaluation mode fails; and its rounding would
    make predictions differ between machines.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _four_bit(dtype: torch.dtype) -> Any:
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("bitsandbytes (for 4-bit weights)", "gpu") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(**FOUR_BIT, bnb_4bit_compute_dtype=dtype)
