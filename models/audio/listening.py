"""What the sound itself tells before anybody is asked about it: silence, channels that differ, channels that cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ambivox.models.audio.audio_error import LONGEST_SECONDS, AudioError, truncated
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import CANCELLED_POWER, PADDING_SECONDS, clip_range, mix
from ambivox.models.audio.sounds import Sound
from ambivox.models.counted import counted

Heard = Literal["silent", "beyond full scale", "cancelling channels", "different channels"]
# Two steps of 16 bits: digital silence, with or without a constant offset or dither.
_SILENT_RANGE = 2 / 32768
_FULL_SCALES = 8.0  # times full scale; more is a file whose floats are samples of 16 bits
# Channels differ where their difference has more than this share of their mean power (-30 dB).
_DIFFERENT_POWER = 0.001


@dataclass(frozen=True)
class Listened:
    """What was heard of a clip.

    Attributes:
        frames: Samples per channel.
        heard: What is unusual about it, if anything.
    """

    frames: int
    heard: Heard | None


def listen(sound: Sound, clip: Clip) -> Listened:
    """Listen to a clip, only as long as necessary: of one channel, mostly its first block; of floats, all of it.

    Args:
        sound: The opened recording.
        clip: What to hear of it.

    Returns:
        Its length, and what is unusual.

    Raises:
        AudioError: The segment or channel is not in the recording, or it cannot be decoded.
    """
    start, end = clip_range(sound, clip)
    is_mixed = sound.channels > 1 and clip.channel is None
    lowest, highest = np.inf, -np.inf
    frames, mixed_power, channel_power, difference_power = 0, 0.0, 0.0, 0.0
    for block in sound.blocks(start, end):
        frames += len(block)
        heard = block if is_mixed else mix(block, clip.channel)
        lowest, highest = min(lowest, float(heard.min())), max(highest, float(heard.max()))
        if not np.isfinite(heard).all():
            raise AudioError(
                str(clip), "not finite", f"{counted(int((~np.isfinite(heard)).sum()), 'sample')} or more"
            )
        if is_mixed:
            mixed = mix(block, None)
            mixed_power += float(np.square(mixed, dtype=np.float64).sum())
            channel_power += float(np.square(block, dtype=np.float64).sum()) / sound.channels
            difference = block - mixed[:, None]
            difference_power += float(np.square(difference, dtype=np.float64).sum()) / sound.channels
        if frames > LONGEST_SECONDS * sound.rate_hz:
            return Listened(frames, None)
        if (
            sound.frames is not None
            and end is not None
            and not is_mixed
            and not sound.is_float
            and not highest - lowest < _SILENT_RANGE
        ):
            frames = end - start
            break
    if end is not None and end - start - frames > PADDING_SECONDS * sound.rate_hz:
        raise truncated(str(clip), f"{(end - start - frames) / sound.rate_hz:.2f} s")
    if highest - lowest < _SILENT_RANGE:
        return Listened(frames, "silent")
    if max(highest, -lowest) > _FULL_SCALES:
        return Listened(frames, "beyond full scale")
    if mixed_power < CANCELLED_POWER * channel_power:
        return Listened(frames, "cancelling channels")
    if difference_power > _DIFFERENT_POWER * channel_power:
        return Listened(frames, "different channels")
    return Listened(frames, None)
