"""Why audio cannot be used: one error with a reason that is counted, and the limits that every recording is held to."""

from __future__ import annotations

from typing import Literal

from ambivox.models.errors import UserError

Reason = Literal[
    "missing",
    "not a file",
    "unreadable",
    "too large",
    "a git-lfs pointer",
    "in a format that is not read",
    "corrupt",
    "empty",
    "too short",
    "too long",
    "not finite",
    "outside the recording",
    "without that channel",
    "changed",
]

# One analysis window of 25 ms: the front ends of ALMs pad by reflection and fail on shorter audio.
SHORTEST_SECONDS = 0.025
# Protects against damaged or hostile headers; decoded, an hour takes 230 MB.
LONGEST_SECONDS = 3600.0
# An hour of stereo at 192 kHz in 32 bits takes 5.5 GB.
LARGEST_BYTES = 6 << 30
RATES_HZ = (1_000, 1_000_000)


class AudioError(UserError):
    """An audio file that cannot be used.

    Attributes:
        audio: The path or URL, with the segment and channel where they are given.
        reason: Why, in a few words.
    """

    def __init__(self, audio: str, reason: Reason, detail: str = "") -> None:
        """Make the message from the file, the reason, and an optional ``detail``."""
        super().__init__(f"{audio}: audio is {reason}{f' ({detail})' if detail else ''}")
        self.audio = audio
        self.reason: Reason = reason


def truncated(audio: str, missing: str) -> AudioError:
    """Make the error for a file that ends before its header says.

    Args:
        audio: The file.
        missing: What is missing, such as "300 bytes".

    Returns:
        The error.
    """
    return AudioError(audio, "corrupt", f"truncated: {missing} of audio that the header declares are missing")


def check_duration(audio: str, frames: int, rate_hz: int) -> None:
    """Check that a duration can be used.

    Args:
        audio: The file, for error messages.
        frames: Samples per channel.
        rate_hz: The sample rate, in Hz.

    Raises:
        AudioError: The audio is empty, too short or too long.
    """
    if frames <= 0:
        raise AudioError(audio, "empty")
    if frames < SHORTEST_SECONDS * rate_hz:
        raise AudioError(
            audio, "too short", f"{frames} samples at {rate_hz} Hz, at least {SHORTEST_SECONDS} s are needed"
        )
    if frames > LONGEST_SECONDS * rate_hz:
        raise AudioError(
            audio, "too long", f"{frames / rate_hz:.0f} s, at most {LONGEST_SECONDS:.0f} s are decoded"
        )


def check_rate(audio: str, rate_hz: int) -> None:
    """Check that a sample rate is one that recordings have.

    Args:
        audio: The file, for error messages.
        rate_hz: The sample rate, in Hz.

    Raises:
        AudioError: It is outside RATES_HZ, so the header is damaged.
    """
    lowest, highest = RATES_HZ
    if not lowest <= rate_hz <= highest:
        raise AudioError(audio, "corrupt", f"a sample rate of {rate_hz} Hz, expected {lowest} to {highest}")
