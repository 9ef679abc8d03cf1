"""An ALM opened up: its audio tower, its projector and its language model, called one after the other.

A frozen tower says the same of a recording every epoch, so its states are computed once and kept; what is
trained reads them from there. The anatomy is that of Qwen2-Audio: tower -> projector -> the places of the audio
token in the language model's embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.annotation.alm import Resolved, resolve
from models.annotation.chat import Chat
from models.errors import MissingExtraError, UserError
from models.sound.audio import RATE_HZ

# Mel frames of true silence kept after a recording, so that the convolutions at its end see what they see in
# the full 30 s window.
_MARGIN_FRAMES = 16


@dataclass
class Backbone:
    """A loaded ALM. ``model`` may be wrapped by peft; its parts are found by name."""

    model: Any
    tokenizer: Any
    processor: Any
    resolved: Resolved
    device: torch.device
    dtype: torch.dtype

    @property
    def parts(self) -> Any:
        """The module that holds ``audio_tower``, ``multi_modal_projector`` and ``language_model``."""
        alm = self.model.base_model.model if hasattr(self.model, "peft_config") else self.model
        return alm.model

    @property
    def width(self) -> int:
        """The language model's hidden size."""
        return int(self.parts.config.text_config.hidden_size)

    @property
    def audio_token_id(self) -> int:
        """The token whose places the audio takes."""
        return int(self.parts.config.audio_token_id)

    def parameters(self) -> int:
        """How many parameters the ALM has."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def tokens_of_audio(self, samples: int) -> int:
        """How many places of the prompt a recording of so many samples takes."""
        return int(self._lengths(torch.tensor([self._frames(samples)]))[1][0])

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """The prompt's token ids, the audio token repeated ``audio_tokens`` times."""
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        places = [place for place, token in enumerate(ids) if token == self.audio_token_id]
        if len(places) != 1:
            raise UserError(
                f"the ALM's chat template gives {len(places)} audio tokens; exactly one was expected"
            )
        return ids[: places[0]] + [self.audio_token_id] * audio_tokens + ids[places[0] + 1 :]

    def audio_states(self, recordings: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """The tower's states of each recording, (audio tokens, tower width), 25 a second.

        The tower sees the longest recording's length instead of 30 s: its positions are sinusoidal and padding
        is masked, so the states are the same for a fraction of the work.
        """
        tower = self.parts.audio_tower
        frames_B = torch.tensor([self._frames(len(recording)) for recording in recordings])
        window = min(int(frames_B.max()) + _MARGIN_FRAMES, self._most_frames)
        window += -window % 4
        mel_BMF = self._mel(recordings, window).to(self.device, self.dtype)
        after_convolution_B, tokens_B = self._lengths(frames_B)
        with torch.no_grad(), _window(tower, window):
            states = tower(mel_BMF, attention_mask=self._tower_mask(after_convolution_B, window // 2))
        return [
            state[:count] for state, count in zip(states.last_hidden_state, tokens_B.tolist(), strict=True)
        ]

    def hidden(self, ids_BT: Tensor, mask_BT: Tensor, audio_XD: Tensor) -> Tensor:
        """The language model's last hidden states, (B, T, width).

        Args:
            ids_BT: token ids.
            mask_BT: 1 for tokens, 0 for padding, on either side.
            audio_XD: the tower's states of all rows, one after the other; as many as there are audio tokens.
        """
        parts = self.parts
        embedded_BTD = parts.language_model.get_input_embeddings()(ids_BT)
        heard_XD = parts.multi_modal_projector(audio_XD.to(self.dtype)).to(embedded_BTD.dtype)
        embedded_BTD = embedded_BTD.masked_scatter((ids_BT == self.audio_token_id).unsqueeze(-1), heard_XD)
        position_BT = (mask_BT.cumsum(dim=-1) - 1).clamp_min(0)
        hidden: Tensor = parts.language_model(
            inputs_embeds=embedded_BTD, attention_mask=mask_BT, position_ids=position_BT, use_cache=False
        ).last_hidden_state
        return hidden

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:
        """The token of each answer code after this prompt."""
        chat = Chat(self.processor, dict(self.resolved.alm.chat_arguments))
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return chat.code_ids(codes, text)

    def answer(self, last_BD: Tensor, code_ids: list[int]) -> Tensor:
        """The language model's logits of these tokens, from its hidden states at the last position."""
        alm = self.model.base_model.model if hasattr(self.model, "peft_config") else self.model
        return last_BD @ alm.lm_head.weight[code_ids].to(last_BD.dtype).T

    @property
    def _most_frames(self) -> int:
        return 2 * int(self.parts.config.audio_config.max_source_positions)

    def _frames(self, samples: int) -> int:
        return min(-(-samples // self.processor.feature_extractor.hop_length), self._most_frames)

    def _lengths(self, frames_B: Tensor) -> tuple[Tensor, Tensor]:
        after_convolution_B, tokens_B = self.parts.audio_tower._get_feat_extract_output_lengths(frames_B)
        return after_convolution_B, tokens_B

    def _mel(self, recordings: Sequence[NDArray[np.float32]], window: int) -> Tensor:
        extractor = self.processor.feature_extractor
        padded = [_padded(recording, window * extractor.hop_length) for recording in recordings]
        found = extractor(
            padded, sampling_rate=RATE_HZ, padding="longest", truncation=False, return_tensors="pt"
        )
        mel: Tensor = found["input_features"][:, :, :window]
        return mel

    def _tower_mask(self, valid_B: Tensor, positions: int) -> Any:
        from transformers.masking_utils import create_bidirectional_mask

        mask_BP = (torch.arange(positions)[None, :] < valid_B[:, None]).long().to(self.device)
        return create_bidirectional_mask(
            config=self.parts.audio_tower.config,
            inputs_embeds=torch.zeros((*mask_BP.shape, 1), dtype=self.dtype, device=self.device),
            attention_mask=mask_BP,
        )


def load(alm: str, device: torch.device, dtype: torch.dtype, quantise: bool = False) -> Backbone:
    """Load an ALM by folder or key, all of it frozen and in evaluation mode.

    Args:
        alm: a local folder, or a key of models/alms/.
        device: where it goes.
        dtype: of its weights.
        quantise: 4-bit weights for QLoRA (needs bitsandbytes and a GPU).

    Raises:
        UserError: no such ALM, or one of another anatomy.
    """
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    resolved = resolve(alm)
    if resolved.alm.transformers_class != "Qwen2AudioForConditionalGeneration":
        raise UserError(f"fine-tuning knows the anatomy of Qwen2-Audio; {resolved.key} is another")
    where: dict[str, Any] = {} if resolved.is_local else {"revision": resolved.revision}
    processor = AutoProcessor.from_pretrained(resolved.source, **where)
    if quantise:
        where |= {"quantization_config": _four_bit(dtype), "device_map": {"": device}}
    model = Qwen2AudioForConditionalGeneration.from_pretrained(resolved.source, dtype=dtype, **where)
    model.requires_grad_(False)
    model.eval()
    if not quantise:
        model.to(device)
    return Backbone(model, processor.tokenizer, processor, resolved, device, dtype)


def best_device() -> tuple[torch.device, torch.dtype]:
    """The GPU with bfloat16 where there is one that has it, else float32."""
    if torch.cuda.is_available():
        import os

        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), torch.float32


@contextmanager
def _window(tower: Any, frames: int) -> Iterator[None]:
    """Let the tower take ``frames`` mel frames instead of the 30 s that it insists on."""
    positions, limit = tower.embed_positions, tower.config.max_source_positions
    tower.embed_positions = nn.Embedding(
        frames // 2, positions.embedding_dim, _weight=positions.weight[: frames // 2]
    )
    tower.config.max_source_positions = frames // 2
    try:
        yield
    finally:
        tower.embed_positions, tower.config.max_source_positions = positions, limit


def _padded(recording: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(recording[:length], (0, max(0, length - len(recording))))


def _four_bit(dtype: torch.dtype) -> Any:
    try:
        import bitsandbytes  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("bitsandbytes", "gpu") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=["audio_tower", "multi_modal_projector", "lm_head"],
    )  # fmt: skip
