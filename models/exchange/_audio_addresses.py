"""Where another tool finds the audio: the paths of a corpus as addresses below a prefix, or relative to its folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from ambivox.models.ingestion.audio_paths import absolute_path


def audio_root(audio: list[str]) -> Path | None:
    """The deepest folder that holds all local audio; None where every file has an address such as s3://.

    Args:
        audio: Paths and addresses.

    Returns:
        An absolute path.
    """
    folders = {os.path.dirname(absolute_path(path)) for path in audio if "://" not in path}  # noqa: PTH120
    return Path(os.path.commonpath(folders)) if folders else None


def audio_address(audio: str, prefix: str, root: Path | None) -> str:
    """The address of a recording: below ``prefix`` for a local file; an address stays as it is.

    Args:
        audio: A path or an address.
        prefix: What takes the place of ``root``, such as ``https://host/audio/``.
        root: What ``audio_root`` returned for all recordings.

    Example:
        >>> audio_address("/data/a b/1.wav", "https://host/", Path("/data"))
        'https://host/a%20b/1.wav'
    """
    return audio if root is None or "://" in audio else prefix + quote(relative_audio(audio, root))


def relative_audio(audio: str, root: Path) -> str:
    """The path of a local recording below the folder that holds all of them, with ``/`` on every system.

    Args:
        audio: A path.
        root: What ``audio_root`` returned for all recordings.

    Example:
        >>> relative_audio("/data/session1/1.wav", Path("/data"))
        'session1/1.wav'
    """
    return Path(absolute_path(audio)).relative_to(root).as_posix()


def names_without_root(audio: list[str]) -> list[str]:
    """Names for recordings that tell nothing of where they are: paths below the folder that holds all of them.

    Args:
        audio: Paths and addresses.

    Returns:
        A path per entry; for an address, its path below what all addresses share.

    Example:
        >>> names_without_root(["/home/anna/data/a/1.wav", "/home/anna/data/b/1.wav"])
        ['a/1.wav', 'b/1.wav']
        >>> names_without_root(["s3://bucket/clips/1.wav"])
        ['1.wav']
    """
    root = audio_root(audio)
    remote = {name: PurePosixPath(urlsplit(name).path) for name in audio if "://" in name}
    remote_root = os.path.commonpath([path.parent for path in remote.values()]) if remote else ""
    return [
        remote[name].relative_to(remote_root).as_posix()
        if name in remote
        else relative_audio(name, root or Path("/"))
        for name in audio
    ]
