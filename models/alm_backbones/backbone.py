"""A loaded ALM: recordings to audio states, and audio states with a prompt to the language model's hidden states.

The audio tower is frozen, so its states for a recording never change: they are computed once, cached, and read for
training. models/alm_backbones/architecture.py describes how each ALM is built.
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

from ambivox.models.alm_backbones.architecture import Architecture, find_architecture
from ambivox.models.alms import resolve
from ambivox.models.engines.transformers_weights import load_weights
from ambivox.models.errors import LeftOutError, MissingExtraError
from ambivox.models.hub import check_available
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.chat import load_processor
from ambivox.models.prompting.known_tokens import check_known_tokens

# QLoRA (arXiv 2305.14314): how a base ALM is loaded for ``--quantise``, and for models that were trained so.
FOUR_BIT: dict[str, Any] = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    # A pattern of the modules that are not quantised: all except the language model's. States of a quantised tower
    # would differ from those that other runs cached for the same recordings.
    "llm_int8_skip_modules": [r"(?!.*language_model\.).+"],
}


@dataclass
class Backbone:
    """A frozen ALM. ``model`` may be wrapped by peft, which changes the modules of ``architecture`` in place."""

    model: Any
    processor: Any
    resolved: ResolvedAlm
    device: torch.device
    dtype: torch.dtype

    def __post_init__(self) -> None:
        """Remember the ALM without peft's wrapper."""
        self._alm = self.model

    @cached_property
    def architecture(self) -> Architecture:
        """The ALM's architecture."""
        return find_architecture(self._alm, self.processor, self.resolved.alm)

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
        """The language model's input embeddings and its output embeddings (None if it has none)."""
        return self.architecture.language_model.get_input_embeddings(), self._alm.get_output_embeddings()

    @property
    def audio_token_id(self) -> int:
        """The token whose embeddings are replaced by audio embeddings."""
        return self.architecture.audio_token_id

    def parameter_count(self) -> int:
        """The number of parameters of the ALM."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """The prompt's token ids; the audio token is repeated ``audio_tokens`` times.

        Raises:
            UserError: The weights lack a token.
        """
        ids = self.architecture.prompt_ids(messages, audio_tokens)
        check_known_tokens(ids, self.embeddings[0].num_embeddings, self.audio_token_id)
        return ids

    def audio_states(self, recordings: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """The output of the frozen audio modules, (audio tokens, width) per recording."""
        return self.architecture.audio_states(recordings)

    def hidden_states(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """Compute the language model's last hidden states.

        Args:
            ids_BT: Token ids.
            mask_BT: 1 for tokens, 0 for padding, on either side.
            audio_XD: The audio states of all rows, concatenated; one row per audio token of ``ids_BT``.

        Returns:
            Hidden states of shape (B, T, width).
        """
        language_model = self.architecture.language_model
        embedded_BTD = language_model.get_input_embeddings()(ids_BT)
        embedded_audio_XD = self.architecture.embed(audio_XD).to(embedded_BTD.dtype)
        is_audio_BT1 = (ids_BT == self.audio_token_id).unsqueeze(-1)
        embedded_BTD = embedded_BTD.masked_scatter(is_audio_BT1, embedded_audio_XD)
        position_BT = (mask_BT.cumsum(dim=-1) - 1).clamp_min(0)
        hidden_BTD: Tensor = language_model(
            inputs_embeds=embedded_BTD, attention_mask=mask_BT, position_ids=position_BT, use_cache=False
        ).last_hidden_state
        return hidden_BTD

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:
        """The token id of each answer code after this prompt.

        Raises:
            UserError: The weights lack a token.
        """
        ids = self.architecture.code_ids(messages, codes)
        check_known_tokens(ids, self.embeddings[0].num_embeddings)
        return ids

    def code_logits(self, last_BD: Tensor, code_ids: list[int]) -> Tensor:
        """The language model's logits of these tokens, (B, codes), from hidden states at the last position."""
        return last_BD @ self._alm.get_output_embeddings().weight[code_ids].to(last_BD.dtype).T


def load(
    alm: str, device: torch.device, dtype: torch.dtype, quantise: bool = False, to_be_sharded: bool = False
) -> Backbone:
    """Load an ALM by folder or key, frozen and in evaluation mode.

    Args:
        alm: A local folder, or a key of models/alms/.
        device: The device to load it to.
        dtype: The type of its weights.
        quantise: Load 4-bit weights for QLoRA (needs bitsandbytes).
        to_be_sharded: Keep the language model in host memory, from where its shards move to the devices, so that it
            need not fit on one device. The audio modules still move to ``device``.

    Returns:
        The loaded ALM.

    Raises:
        UserError: There is no such ALM, it is damaged, or its architecture is not supported.
        LeftOutError: The ALM is a hosted one.
        MissingExtraError: ``quantise`` without bitsandbytes.
    """
    resolved = resolve(alm)
    if resolved.alm.hosted is not None:
        raise LeftOutError(
            f"the ALM {alm} is reached by an API, so it has no weights that can be opened up or fine-tuned"
        )
    if not resolved.is_local:
        check_available(resolved.source, resolved.revision)
    processor = load_processor(resolved)
    arguments: dict[str, Any] = {}
    if quantise:
        arguments = {"quantization_config": _four_bit_config(dtype), "device_map": {"": device}}
    model = load_weights(resolved, dtype, **arguments)
    model.requires_grad_(False)
    model.eval()
    backbone = Backbone(model, processor, resolved, device, dtype)
    architecture = backbone.architecture  # Raises an error here if the architecture is not supported.
    if quantise:
        _disable_inference_packing(model)
    else:
        for module in architecture.audio_modules if to_be_sharded else [model]:
            module.to(device)
    return backbone


def best_device() -> tuple[torch.device, torch.dtype]:
    """Choose the GPU if there is one, with bfloat16 if it supports that; else the CPU. Weights are float32 otherwise."""
    if torch.cuda.is_available():
        import os

        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), torch.float32


def _disable_inference_packing(model: Any) -> None:
    """Keep 4-bit weights in the layout that training needs, on every CPU."""
    # On CPUs with avx512_bf16, a Linear4bit in evaluation mode repacks its weights in place for a bfloat16 kernel.
    # That kernel has no gradient, so training fails after any forward pass in evaluation mode; and its rounding would
    # make predictions differ between machines.
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _four_bit_config(dtype: torch.dtype) -> Any:
    try:
        import bitsandbytes  # noqa: F401 - only whether it is installed
    except ImportError as error:
        raise MissingExtraError("bitsandbytes (for 4-bit weights)", "gpu") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(**FOUR_BIT, bnb_4bit_compute_dtype=dtype)
