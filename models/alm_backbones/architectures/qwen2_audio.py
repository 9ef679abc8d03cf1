"""Qwen2-Audio (and the tiny ALM): tower -> projector -> the places of the audio token.

What is kept is the tower's states, a third as wide as the language model's embeddings in the 7B model. The tower
sees the longest recording's length instead of 30 s: its positions are sinusoidal and padding is masked, so the
states are the same for a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ambivox.models.alm_backbones.architecture import Architecture, Recordings

# Mel frames of true silence kept after a recording, so that the convolutions at its end see what they see in
# the full 30 s window.
_MARGIN_FRAMES = 16


class ModelArchitecture(Architecture):
    """See the module."""

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """The tower's states of each recording, (audio tokens, tower width), 25 a second, at most 30 s."""
        frames_B = torch.tensor([self._frames(len(recording)) for recording in recordings])
        window = min(int(frames_B.max()) + _MARGIN_FRAMES, self._most_frames)
        window += -window % 4
        mel_BMF = self._mel(recordings, window).to(self.device, self.model.dtype)
        after_convolution_B, tokens_B = self.lengths(frames_B)
        with _window(self._tower, window):
            states = self._tower(mel_BMF, attention_mask=self.tower_mask(after_convolution_B, window // 2))
        return [
            state[:count] for state, count in zip(states.last_hidden_state, tokens_B.tolist(), strict=True)
        ]

    def embed(self, audio_XD: Tensor) -> Tensor:
        """Through the projector."""
        heard_XD: Tensor = self.model.model.multi_modal_projector(audio_XD.to(self.model.dtype))
        return heard_XD

    def lengths(self, frames_B: Tensor) -> tuple[Tensor, Tensor]:
        """Positions after the convolutions, and audio tokens, of so many mel frames."""
        after_convolution_B, tokens_B = self._tower._get_feat_extract_output_lengths(frames_B)
        return after_convolution_B, tokens_B

    def tower_mask(self, valid_B: Tensor, positions: int) -> Any:
        """The mask that hides what is padding after the convolutions."""
        from transformers.masking_utils import create_bidirectional_mask

        device = self.device
        mask_BP = (torch.arange(positions)[None, :] < valid_B[:, None]).long().to(device)
        return create_bidirectional_mask(
            config=self._tower.config,
            inputs_embeds=torch.zeros((*mask_BP.shape, 1), dtype=self.model.dtype, device=device),
            attention_mask=mask_BP,
        )

    @property
    def _tower(self) -> Any:
        return self.model.model.audio_tower

    @property
    def _most_frames(self) -> int:
        return 2 * int(self._tower.config.max_source_positions)

    def _frames(self, samples: int) -> int:
        return min(-(-samples // self.processor.feature_extractor.hop_length), self._most_frames)

    def _mel(self, recordings: Recordings, window: int) -> Tensor:
        extractor = self.processor.feature_extractor
        padded = [_padded(recording, window * extractor.hop_length) for recording in recordings]
        found = extractor(
            padded, sampling_rate=self.alm.rate_hz, padding="longest", truncation=False, return_tensors="pt"
        )
        mel: Tensor = found["input_features"][:, :, :window]
        return mel


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
