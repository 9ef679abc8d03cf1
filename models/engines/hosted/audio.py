"""Audio as a part of a chat message: 16-bit WAV or MP3, base64."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import Hosted


def audio_part(audio: NDArray[np.float32], rate_hz: int, hosted: Hosted) -> dict[str, Any]:
    """The content part of a clip.

    A clip that is too large as WAV is sent as MP3 where the endpoint takes it.

    Args:
        audio: mono samples.
        rate_hz: their sample rate.
        hosted: what the endpoint takes.

    Returns:
        A content part of the type ``input_audio``.

    Raises:
        UserError: the clip is too large in every format that the endpoint takes.
    """
    for audio_format in hosted.audio_formats:
        encoded = _encoded(audio.tobytes(), rate_hz, audio_format)
        if len(encoded) <= hosted.max_request_megabytes * 1e6:
            data = {"data": hosted.audio_prefix + encoded, "format": audio_format}
            return {"type": "input_audio", "input_audio": data}
    raise UserError(
        f"a clip of {len(audio) / rate_hz:.0f} s is larger than the {hosted.max_request_megabytes:g} MB that "
        f"{hosted.model} takes; shorten the clip or choose another ALM"
    )


# All prompts about a clip are asked one after the other.
@lru_cache(maxsize=8)
def _encoded(samples: bytes, rate_hz: int, audio_format: str) -> str:
    import soundfile

    file = io.BytesIO()
    audio = np.frombuffer(samples, np.float32)
    if audio_format == "wav":
        soundfile.write(file, audio, rate_hz, format="WAV", subtype="PCM_16")
    else:
        soundfile.write(file, audio, rate_hz, format="MP3")
    return base64.b64encode(file.getvalue()).decode()
