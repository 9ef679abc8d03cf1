"""Short windows, in a batch or alone, give the tower's output of the full 30 s window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from ambivox.models.embedded_alm.architecture import Shape, build_feature_extractor, build_model
from ambivox.models.embedded_alm.audio_tower import encode
from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms, pad_batch
from ambivox.models.embedded_alm.tokenizer import build_tokenizer


def test_a_short_window_gives_the_output_of_the_full_window(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recordings = [
        (np.cumsum(rng.standard_normal(n)) * 0.01).astype(np.float32) for n in (9_001, 16_160, 23_999)
    ]
    recordings = [samples - samples.mean() for samples in recordings]
    names = []
    for index, samples in enumerate(recordings):
        names.append(str(tmp_path / f"{index}.wav"))
        soundfile.write(names[-1], samples, 16_000, subtype="FLOAT")
    mels = log_mel_spectrograms(names, 128, tmp_path / "cache")
    cached = log_mel_spectrograms(names, 128, tmp_path / "cache")
    assert (cached.values == mels.values).all() and (cached.frames_N == mels.frames_N).all()
    torch.manual_seed(0)
    shape = Shape(tower_width=48, tower_layers=2, tower_heads=2, tower_inner=48, text_width=64)
    tower = build_model(shape, build_tokenizer(("a b", "c d"), ["x"])).model.audio_tower.eval()
    batch = pad_batch([mels[index] for index in range(3)])
    with torch.no_grad():
        h_BLD, is_audio_BL = encode(tower, batch, torch.from_numpy(mels.frames_N))
        for index, samples in enumerate(recordings):
            features = build_feature_extractor(128)(
                samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
            )
            assert int(features.attention_mask.sum()) == mels.frames_N[index]
            encoded = (int(mels.frames_N[index]) - 1) // 2 + 1
            mask = torch.zeros(1, 1, 1500, 1500)
            mask[..., encoded:] = -torch.inf
            full = tower(features.input_features, attention_mask=mask).last_hidden_state[0]
            short = h_BLD[index][is_audio_BL[index]]
            # float16 spectrograms are the only difference
            torch.testing.assert_close(short, full[: len(short)], atol=0.02, rtol=0)
            frames = torch.from_numpy(mels.frames_N[[index]])
            alone, is_audio = encode(tower, pad_batch([mels[index]]), frames)
            torch.testing.assert_close(alone[0][is_audio[0]], short, atol=1e-4, rtol=0)
