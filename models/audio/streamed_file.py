"""Files that libsndfile can decode but not find a place in: FLAC whose header says no length, as from a pipe."""

from __future__ import annotations

import soundfile


class StreamedFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is read from its beginning to its end; soundfile would seek after each block, and fail at the end."""

    def seekable(self) -> bool:
        """Whether a place can be found: no."""
        return False
