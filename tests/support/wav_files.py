"""WAV files written byte by byte, with the lengths that a test wants, and tones to put into them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 44


def tone(seconds: float = 0.5, rate_hz: int = 16_000, hz: float = 300.0) -> NDArray[np.float64]:
    """A sine of amplitude 0.5."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """A chunk of RIFF; ``length`` is what it declares."""
    return struct.pack("<4sI", name, len(content) if length is None else length) + content


def wav(
    samples: NDArray[np.float64],
    rate_hz: int = 16_000,
    data_length: int | None = None,
    riff_length: int | None = None,
    after: bytes = b"",
    before: bytes = b"",
) -> bytes:
    """A WAV file of 16-bit samples, shape (samples,) or (samples, channels)."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    content = np.round(samples * 32767).astype("<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16)
    body = b"WAVE" + chunk(b"fmt ", fmt) + before + chunk(b"data", content, data_length) + after
    return chunk(b"RIFF", body, riff_length)


def write_wav(path: Path, samples: NDArray[np.float64], rate_hz: int = 16_000) -> str:
    """Write a correct WAV file and return its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(samples, rate_hz))
    return str(path)
