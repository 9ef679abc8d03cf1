"""What is heard of a recording: all of it or a segment, all channels or one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from ambivox.models.audio.audio_error import AudioError

#: The columns of an utterance that say what is heard, and their types.
CLIP_COLUMNS: dict[str, Any] = {
    "audio": pl.String,
    "start_seconds": pl.Float64,
    "end_seconds": pl.Float64,
    "channel": pl.Int64,
}
# A segment may end this much after its recording does: times are often rounded to tenths of a second.
_ROUNDING_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording, or a part of it.

    Attributes:
        audio: A path or an ``s3://`` URL.
        start_seconds: Where the segment begins; None: at the beginning.
        end_seconds: Where it ends; None: at the end.
        channel: The channel, from 1 (left); None: the average of all.
    """

    audio: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    channel: int | None = None

    def __str__(self) -> str:
        """The recording's name, with segment and channel where they are given."""
        parts = [self.audio]
        if self.start_seconds is not None or self.end_seconds is not None:
            end = "" if self.end_seconds is None else f"{self.end_seconds:g}"
            parts.append(f"[{self.start_seconds or 0:g}-{end} s]")
        if self.channel is not None:
            parts.append(f"channel {self.channel}")
        return " ".join(parts)

    @property
    def is_whole(self) -> bool:
        """Whether this is the whole recording with all channels."""
        return self.start_seconds is None and self.end_seconds is None and self.channel is None

    def sha256(self, recording_sha256: str) -> str:
        """Hash what is heard.

        Args:
            recording_sha256: The hash of the recording's bytes.

        Returns:
            That hash for a whole recording; for a part of it, a hash of the recording's, the times and the channel.
        """
        if self.is_whole:
            return recording_sha256
        part = f"{recording_sha256} {self.start_seconds} {self.end_seconds} {self.channel}"
        return hashlib.sha256(part.encode()).hexdigest()

    def frames(self, total: int, rate_hz: int) -> tuple[int, int]:
        """Find the clip in a recording.

        Args:
            total: Samples per channel of the recording.
            rate_hz: Its sample rate, in Hz.

        Returns:
            The first sample, and the one after the last.

        Raises:
            AudioError: The segment is not within the recording.
        """
        start = 0 if self.start_seconds is None else round(self.start_seconds * rate_hz)
        end = total if self.end_seconds is None else round(self.end_seconds * rate_hz)
        if (
            start < 0
            or end < start
            or (start and start >= total)
            or end - total > _ROUNDING_SECONDS * rate_hz
        ):
            raise AudioError(str(self), "outside the recording", f"which lasts {total / rate_hz:.2f} s")
        return start, min(end, total)


def clips(utterances: pl.DataFrame) -> list[Clip]:
    """List what is heard in each utterance.

    Args:
        utterances: The columns of CLIP_COLUMNS; all but ``audio`` may be missing.

    Returns:
        One clip per row, in order.
    """
    present = [name for name in CLIP_COLUMNS if name in utterances.columns]
    return [Clip(**row) for row in utterances.select(present).iter_rows(named=True)]
