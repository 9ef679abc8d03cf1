"""Log-mels for Whisper's encoder as its processor makes them: windows of 30 s, whatever the clip's duration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def padded(extractor: Any, clips: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The log-mels of every clip, bands by 3,000 frames."""
    return [extractor(clip, sampling_rate=16_000, return_tensors="np")["input_features"][0] for clip in clips]
