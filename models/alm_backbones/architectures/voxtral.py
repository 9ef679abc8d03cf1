"""Voxtral: audio in chunks of 30 s, prompts through Mistral's tokenizer, which has no chat template as text."""

from __future__ import annotations

import base64
import io
from functools import cached_property
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from ambivox.models.alm_backbones.architecture import Architecture, Recordings
from ambivox.models.errors import UserError

_CHUNK_SECONDS = 30
_CHUNK_FRAMES = 3000


class ModelArchitecture(Architecture):
    """Voxtral: cached states come after the projector."""

    input_code = """    import base64, io, soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
    audio = {"type": "audio", "base64": base64.b64encode(file.getvalue()).decode()}
    text = {"type": "text", "text": PROMPT.replace("TRANSCRIPT", transcript)}
    inputs = processor.apply_chat_template([{"role": "user", "content": [audio, text]}])"""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Strings removed from transcripts; this tokenizer would not turn them into special tokens anyway."""
        return tuple(self.processor.tokenizer.all_special_tokens)

    def prompt(self, messages: list[dict[str, Any]]) -> str:
        """The text of the user's turn; the markup around it exists as tokens only."""
        return "".join(part["text"] for part in messages[0]["content"] if part["type"] == "text")

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """Tokenise messages with a chunk of silence, then repeat the audio token ``audio_tokens`` times.

        Raises:
            UserError: The audio tokens are not contiguous.
        """
        content = [
            {"type": "audio", "base64": self._silence} if part["type"] == "audio" else part
            for part in messages[0]["content"]
        ]
        conversation = [{"role": messages[0]["role"], "content": content}]
        ids = list(
            self.processor.tokenizer.apply_chat_template(conversation, tokenize=True, return_dict=True)[
                "input_ids"
            ]
        )
        positions = [position for position, token in enumerate(ids) if token == self.audio_token_id]
        if not positions or positions != list(range(positions[0], positions[-1] + 1)):
            raise UserError(
                f"the ALM's tokenizer gives {len(positions)} audio tokens that are not one contiguous run; "
                "choose another ALM"
            )
        return ids[: positions[0]] + [self.audio_token_id] * audio_tokens + ids[positions[-1] + 1 :]

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:  # noqa: ARG002 - the base class's arguments
        """The token id of each code; the prompt ends with a special token, so a code never merges with it.

        Raises:
            UserError: The codes are not single, distinct tokens.
        """
        encoded = [self.processor.tokenizer.encode(code, add_special_tokens=False) for code in codes]
        if any(len(ids) != 1 for ids in encoded) or len({ids[0] for ids in encoded}) < len(codes):
            raise UserError(
                f"the answer codes {codes} are not single, distinct tokens of this ALM's tokenizer; "
                "choose another ALM"
            )
        return [int(ids[0]) for ids in encoded]

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """Compute the projected states: 12.5 per second, for whole chunks of 30 s because the ALM masks no padding."""
        extractor = self.processor.feature_extractor
        max_samples = int(self.alm.longest_seconds * self.alm.rate_hz)
        chunks = [
            extractor(
                recording[:max_samples],
                sampling_rate=self.alm.rate_hz,
                padding=True,
                truncation=False,
                pad_to_multiple_of=_CHUNK_SECONDS * self.alm.rate_hz,
                return_tensors="pt",
            )["input_features"][0]
            .unflatten(-1, (-1, _CHUNK_FRAMES))
            .transpose(0, 1)
            for recording in recordings
        ]
        mel_CMF = torch.cat(chunks).to(self.device, self.model.dtype)
        audio_XD: Tensor = self.model.get_audio_features(mel_CMF).pooler_output
        tokens_per_chunk = len(audio_XD) // len(mel_CMF)
        return list(torch.split(audio_XD, [tokens_per_chunk * len(chunk) for chunk in chunks]))

    @cached_property
    def _silence(self) -> str:
        file = io.BytesIO()
        soundfile.write(file, np.zeros(1600, np.float32), self.alm.rate_hz, format="WAV")
        return base64.b64encode(file.getvalue()).decode()
