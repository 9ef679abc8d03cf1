"""Short windows, batches and singles are heard as the full 30 s window is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from ambivox.models.embedded_alm.architecture import Shape, build_feature_extractor, build_model
from ambivox.models.embedded_alm.mels import log_mels, pad_batch
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.tower import hear


def test_a_short_window_is_heard_as_the_full_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [(np.cumsum(rng.standard_normal(n)) * 0.01).astype(np.float32) for n in (9_001, 16_160, 23_999)]
    clips = [clip - clip.mean() for clip in clips]
    names = []
    for place, clip in enumerate(clips):
        names.append(str(tmp_path / f"{place}.wav"))
        soundfile.write(names[-1], clip, 16_000, subtype="FLOAT")
    mels = log_mels(names, tmp_path / "cache")
    again = log_mels(names, tmp_path / "cache")
    assert (again.values == mels.values).all() and (again.frames_N == mels.frames_N).all()
    torch.manual_seed(0)
    shape = Shape(tower_width=48, tower_layers=2, tower_heads=2, tower_inner=48, text_width=64)
    tower = build_model(shape, build_tokenizer(("a b", "c d"), ["x"])).model.audio_tower.eval()
    batch = pad_batch([mels.clip(place) for place in range(3)])
    with torch.no_grad():
        h_BLD, there_BL = hear(tower, batch, torch.from_numpy(mels.frames_N))
        for place, clip in enumerate(clips):
            features = build_feature_extractor()(
                clip, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
            )
            assert int(features.attention_mask.sum()) == mels.frames_N[place]
            inner = (int(mels.frames_N[place]) - 1) // 2 + 1
            mask = torch.zeros(1, 1, 1500, 1500)
            mask[..., inner:] = -torch.inf
            full = tower(features.input_features, attention_mask=mask).last_hidden_state[0]
            heard = h_BLD[place][there_BL[place]]
            # float16 spectrograms are the only difference
            torch.testing.assert_close(heard, full[: len(heard)], atol=0.02, rtol=0)
            alone, there = hear(
                tower, pad_batch([mels.clip(place)]), torch.from_numpy(mels.frames_N[[place]])
            )
            torch.testing.assert_close(alone[0][there[0]], heard, atol=1e-4, rtol=0)
