"""Voxtral: heard in chunks of 30 s, asked through Mistral's own tokenizer, which has no template as text."""

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
    """See the module."""

    reading = """    import base64, io, soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV", subtype="FLOAT")
    heard = {"type": "audio", "base64": base64.b64encode(file.getvalue()).decode()}
    asked = {"type": "text", "text": PROMPT.replace("TRANSCRIPT", transcript)}
    inputs = processor.apply_chat_template([{"role": "user", "content": [heard, asked]}])"""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """A transcript's words never become special tokens here; they are taken out all the same."""
        return tuple(self.processor.tokenizer.all_special_tokens)

    def prompt(self, messages: list[dict[str, Any]]) -> str:
        """What the user says beside the audio; the markup around it are tokens, not text."""
        return "".join(part["text"] for part in messages[0]["content"] if part["type"] == "text")

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """As the tokenizer asks about a chunk of silence, with ``audio_tokens`` places for it."""
        content = [
            {"type": "audio", "base64": self._silence} if part["type"] == "audio" else part
            for part in messages[0]["content"]
        ]
        asked = [{"role": messages[0]["role"], "content": content}]
        ids = list(
            self.processor.tokenizer.apply_chat_template(asked, tokenize=True, return_dict=True)["input_ids"]
        )
        places = [place for place, token in enumerate(ids) if token == self.audio_token_id]
        if not places or places != list(range(places[0], places[-1] + 1)):
            raise UserError("the ALM's tokenizer gives the audio no single run of places in the prompt")
        return ids[: places[0]] + [self.audio_token_id] * audio_tokens + ids[places[-1] + 1 :]

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:  # noqa: ARG002
        """The token of each code; what precedes it is a special token, so nothing merges with it."""
        encoded = [self.processor.tokenizer.encode(code, add_special_tokens=False) for code in codes]
        if any(len(ids) != 1 for ids in encoded) or len({ids[0] for ids in encoded}) < len(codes):
            raise UserError(
                f"the answer codes {codes} are not single, distinct tokens of this ALM's tokenizer"
            )
        return [int(ids[0]) for ids in encoded]

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """Projected states, 12.5 a second of whole chunks of 30 s: the ALM knows no padding in them."""
        extractor = self.processor.feature_extractor
        most = int(self.alm.longest_seconds * self.alm.rate_hz)
        chunks = [
            extractor(
                recording[:most],
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
        heard_XD: Tensor = self.model.get_audio_features(mel_CMF).pooler_output
        tokens = len(heard_XD) // len(mel_CMF)
        return list(torch.split(heard_XD, [tokens * len(chunk) for chunk in chunks]))

    @cached_property
    def _silence(self) -> str:
        file = io.BytesIO()
        soundfile.write(file, np.zeros(1600, np.float32), self.alm.rate_hz, format="WAV")
        return base64.b64encode(file.getvalue()).decode()
