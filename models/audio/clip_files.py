"""What is heard of an utterance as a file of its own, for those who have no access to the recordings."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import NamedTuple

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.opening import hash_of, open_audio


class ClipFile(NamedTuple):
    """An audio file: its bytes, and the suffix that its name should have."""

    content: bytes
    suffix: str


def clip_file(clip: Clip, rate_hz: int, sha256: str) -> ClipFile:
    """A clip as a file: the recording's own bytes for a whole recording, else FLAC with 16 bits of what is heard.

    Args:
        clip: What is heard.
        rate_hz: The recording's sample rate, in Hz.
        sha256: The hash of what should be heard (``Clip.sha256``).

    Returns:
        The file.

    Raises:
        AudioError: The recording cannot be read, or changed since it was ingested.
    """
    import soundfile

    if clip.is_whole:
        with open_audio(clip.audio) as source:
            if hash_of(source, clip.audio) != sha256:
                raise AudioError(str(clip), "changed", "since it was ingested; ingest the corpus again")
            source.seek(0)
            return ClipFile(source.read(), PurePosixPath(clip.audio).suffix.lower() or ".wav")
    samples = decode(clip, rate_hz, sha256)
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return ClipFile(file.getvalue(), ".flac")
