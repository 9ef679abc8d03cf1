"""Qwen2-Audio and the embedded ALM: audio tower, projector, then the positions of the audio token.

The cached audio states are the tower's output. In the 7B model they are a third as wide as the language model's
embeddings. The tower processes the longest recording's length instead of 30 s: its positions are sinusoidal and
padding is masked, so the states are the same and the computation is shorter.
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
from ambivox.models.parallel import one_torch_thread

# Mel frames of silence kept after a recording: the convolutions at its end then have the same input as in the full
# 30 s window.
_MARGIN_FRAMES = 16


class ModelArchitecture(Architecture):
    """Qwen2-Audio: cached states come before the projector."""

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """Compute the tower's states, (audio tokens, tower width) per recording: 25 per second, at most 30 s."""
        frames_B = torch.tensor([self._frame_count(len(recording)) for recording in recordings])
        window = min(int(frames_B.max()) + _MARGIN_FRAMES, self._max_frames)
        window += -window % 4
        mel_BMF = self._mel(recordings, window).to(self.device, self.model.dtype)
        positions_B, tokens_B = self.lengths(frames_B)
        with _shortened_window(self._tower, window):
            states = self._tower(mel_BMF, attention_mask=self.tower_mask(positions_B, window // 2))
        return [
            state[:count] for state, count in zip(states.last_hidden_state, tokens_B.tolist(), strict=True)
        ]

    def embed(self, audio_XD: Tensor) -> Tensor:
        """Apply the projector."""
        embedded_XD: Tensor = self.model.model.multi_modal_projector(audio_XD.to(self.model.dtype))
        return embedded_XD

    def lengths(self, frames_B: Tensor) -> tuple[Tensor, Tensor]:
        """Convert numbers of mel frames to numbers of positions after the convolutions and of audio tokens."""
        positions_B, tokens_B = self._tower._get_feat_extract_output_lengths(frames_B)
        return positions_B, tokens_B

    def tower_mask(self, valid_B: Tensor, positions: int) -> Any:
        """Build the attention mask that hides padding after the convolutions."""
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
    def _max_frames(self) -> int:
        return 2 * int(self._tower.config.max_source_positions)

    def _frame_count(self, samples: int) -> int:
        return min(-(-samples // self.processor.feature_extractor.hop_length), self._max_frames)

    @one_torch_thread()
    def _mel(self, recordings: Recordings, window: int) -> Tensor:
        extractor = self.processor.feature_extractor
        padded = [_pad_or_cut(recording, window * extractor.hop_length) for recording in recordings]
        features = extractor(
            padded, sampling_rate=self.alm.rate_hz, padding="longest", truncation=False, return_tensors="pt"
        )
        mel: Tensor = features["input_features"][:, :, :window]
        return mel


@contextmanager
def _shortened_window(tower: Any, frames: int) -> Iterator[None]:
    """Let the tower accept ``frames`` mel frames instead of exactly 30 s."""
    positions, limit = tower.embed_positions, tower.config.max_source_positions
    tower.embed_positions = nn.Embedding(
        frames // 2, positions.embedding_dim, _weight=positions.weight[: frames // 2]
    )
    tower.config.max_source_positions = frames // 2
    try:
        yield
    finally:
        tower.embed_positions, tower.config.max_source_positions = positions, limit


def _pad_or_cut(recording: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(recording[:length], (0, max(0, length - len(recording))))
