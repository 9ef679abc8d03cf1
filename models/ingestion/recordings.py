"""The recordings beside a table, by their names: tables often leave out the folder or the suffix of audio files."""

from __future__ import annotations

import os
from pathlib import Path

AUDIO_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au", ".snd", ".sph", ".m4a", ".webm", ".amr", ".wma",
    ".aac", ".caf", ".w64", ".gsm",
)  # fmt: skip
_MOST_FILES = 200_000


def recordings_below(folder: Path) -> dict[str, tuple[str, ...]]:
    """List the audio files of a folder and those below.

    Args:
        folder: The folder.

    Returns:
        ``plain_name`` -> paths relative to the folder.
    """
    paths_of: dict[str, list[str]] = {}
    number = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            number += 1
            if number > _MOST_FILES:
                break
            if name.lower().endswith(AUDIO_SUFFIXES):
                path = Path(place, name).relative_to(folder).as_posix()
                paths_of.setdefault(plain_name(name), []).append(path)
    return {name: tuple(paths) for name, paths in paths_of.items()}


def plain_name(name: str) -> str:
    r"""A file name as ids are compared: without folder and audio suffix, in lower case; 101.0 and 0101 as 101.

    Args:
        name: A file name, a path, or an id.

    Returns:
        The name.

    Example:
        >>> plain_name("Clips\\Anna 7.WAV"), plain_name("101.0"), plain_name("0007.wav")
        ('anna 7', '101', '7')
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1].strip().casefold()
    name = next((name.removesuffix(suffix) for suffix in AUDIO_SUFFIXES if name.endswith(suffix)), name)
    number = name.removesuffix(".0")
    return number.lstrip("0") or "0" if number.isdecimal() else name
