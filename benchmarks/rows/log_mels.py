"""Log-mels of short clips for Whisper's encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ambivox.models.embedded_alm.architecture import build_feature_extractor
from ambivox.models.embedded_alm.mel_spectrograms import MARGIN_FRAMES, spectrogram
from ambivox.models.parallel import one_torch_thread
from benchmarks.alternatives.spectrograms import padded
from benchmarks.harness import Method, Row

_CLIPS, _SECONDS, _BANDS = 200, 3, 80


def write_inputs(folder: Path, scale: float) -> None:
    """Noise that is louder in the middle."""
    rng = np.random.default_rng(0)
    samples = _SECONDS * 16_000
    clips = rng.normal(0, 0.1, (round(_CLIPS * scale), samples)) * np.hanning(samples)
    np.save(folder / "clips.npy", clips.astype(np.float32))


def _ours(folder: Path) -> Callable[[], Any]:
    clips, extractor = np.load(folder / "clips.npy"), build_feature_extractor(_BANDS)
    return lambda: [spectrogram(extractor, clip)[:-MARGIN_FRAMES] for clip in clips]


def _padded(folder: Path) -> Callable[[], Any]:
    clips, extractor = list(np.load(folder / "clips.npy")), build_feature_extractor(_BANDS)
    return lambda: padded(extractor, clips)


def _padded_alone(folder: Path) -> Callable[[], Any]:
    call = _padded(folder)
    return one_torch_thread()(call)


def _own_frames(mels: list[np.ndarray]) -> np.ndarray:
    """The frames of the clips, without those of the padding, as stored."""
    return np.stack([each[:, : _SECONDS * 100].T for each in mels]).astype(np.float16)


ROW = Row(
    title="log-mels of 200 clips of 3 s",
    write_inputs=write_inputs,
    methods={
        "ours": Method("Whisper's extractor on the clip and five frames of silence", _ours),
        "padded": Method("Whisper's extractor as it is: padded to 30 s", _padded, array=_own_frames),
        "padded, one thread": Method(
            "the same with one thread of torch, whose threads otherwise wait for each other on a busy machine",
            _padded_alone,
            array=_own_frames,
        ),
    },
    tolerance=0.0,
    targets={"padded, one thread": 7.5},
    items=_CLIPS,
)
