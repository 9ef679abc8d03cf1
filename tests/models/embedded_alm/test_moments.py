"""The tower's program says the statistics that numpy says, and its reader what was written into it."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from ambivox.models.embedded_alm.architecture import MEL_BANDS, Shape, build_model
from ambivox.models.embedded_alm.listening import head_of
from ambivox.models.embedded_alm.mels import MARGIN_FRAMES, log_mels, pad_batch
from ambivox.models.embedded_alm.moments import (
    Places,
    band_weights,
    statistics,
    tower_width_for,
    write_moments,
    write_reader,
)
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.tower import hear, mean_logits

BANDS, LABELS = 8, 3


@pytest.fixture(scope="module")
def tower() -> torch.nn.Module:
    torch.manual_seed(3)
    width = tower_width_for(BANDS, LABELS, 2)
    shape = Shape(tower_width=width, tower_layers=2, tower_heads=2, tower_inner=32, text_width=64)
    made = build_model(shape, build_tokenizer(("a b", "c d"), ["x"])).model.audio_tower.eval()
    write_moments(made, Places(BANDS, LABELS))
    return made


@pytest.fixture(scope="module")
def mels(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("clips")
    names = []
    for place, seconds in enumerate((0.8, 1.7, 2.6)):
        t = np.arange(int(16_000 * seconds)) / 16_000
        loud = 0.02 + 0.4 * np.maximum(0, np.sin(2 * np.pi * (1.1 + place) * t)) ** 2
        voice = sum(np.sin(2 * np.pi * (110 + 70 * place) * k * t) / k for k in range(1, 20))
        names.append(str(folder / f"{place}.wav"))
        soundfile.write(names[-1], (loud * voice * 0.3).astype(np.float32), 16_000)
    return log_mels(names)


def expected(clip: np.ndarray, frames: int) -> np.ndarray:
    """The four statistics by their definition, 4 B."""
    x = clip.T @ band_weights(BANDS, MEL_BANDS).T
    before, after = np.roll(x, 2, 0), np.roll(x, -2, 0)
    d = after - before
    x, d = x[:frames][::2], d[:frames][::2]
    loudness = x.mean(1)
    share = np.exp(4 * (loudness - loudness.max()))
    share /= share.sum()
    loud = share @ x
    return np.concatenate([x.mean(0), loud, share @ (loud + np.abs(x - loud)), share @ np.abs(d)])


def test_the_program_says_what_numpy_says(tower: torch.nn.Module, mels) -> None:
    places = Places(BANDS, LABELS)
    clips = [mels.clip(place) for place in range(len(mels))]
    heard = statistics(tower, places, pad_batch(clips), torch.from_numpy(mels.frames_N)).numpy()
    for clip, frames, said in zip(clips, mels.frames_N, heard, strict=True):
        assert clip.shape[1] == frames + MARGIN_FRAMES
        off = (said - expected(clip, int(frames))).reshape(4, BANDS)
        # LayerNorm takes the frame's mean off all bands alike; GELU's bend and the first frame cost a little
        np.testing.assert_allclose(off, np.broadcast_to(off.mean(1, keepdims=True), off.shape), atol=0.08)


def test_a_batch_is_heard_as_single_clips(tower: torch.nn.Module, mels) -> None:
    places = Places(BANDS, LABELS)
    clips = [mels.clip(place) for place in range(len(mels))]
    together = statistics(tower, places, pad_batch(clips), torch.from_numpy(mels.frames_N))
    for place, clip in enumerate(clips):
        alone = statistics(tower, places, pad_batch([clip]), torch.from_numpy(mels.frames_N[[place]]))
        torch.testing.assert_close(alone[0], together[place], atol=1e-4, rtol=0)


def test_the_reader_is_the_towers_answer(tower: torch.nn.Module, mels) -> None:
    places = Places(BANDS, LABELS)
    torch.manual_seed(5)
    into, out = torch.nn.Linear(4 * BANDS, 16), torch.nn.Linear(16, LABELS)
    write_reader(tower, places, (into.weight, into.bias), (out.weight, out.bias))
    batch, frames = (
        pad_batch([mels.clip(place) for place in range(len(mels))]),
        torch.from_numpy(mels.frames_N),
    )
    with torch.no_grad():
        wanted = out(torch.nn.functional.gelu(into(statistics(tower, places, batch, frames).clone())))
        said = mean_logits(*hear(tower, batch, frames), *head_of(tower, places))
    torch.testing.assert_close(said - said.mean(1, True), wanted - wanted.mean(1, True), atol=0.02, rtol=0)


@pytest.mark.parametrize("bands", [1, 8, 32, 64])
def test_bands_cover_the_spectrogram_once(bands: int) -> None:
    weights = band_weights(bands, MEL_BANDS)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert ((weights > 0).sum(0) <= 1).all()
    assert (weights > 0).sum() >= MEL_BANDS - 1
