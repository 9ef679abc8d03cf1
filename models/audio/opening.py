"""Opening audio: regular files and objects on S3 only, of a limited size, never a device, a pipe or a link to itself."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from typing import BinaryIO

from ambivox.models.audio.audio_error import LARGEST_BYTES, AudioError, Reason
from ambivox.models.errors import UserError
from ambivox.models.object_store import download_object, is_object_url, object_info, read_object
from ambivox.models.temporary_files import scratch_folder

# Larger objects go to a temporary file and not into memory.
_LARGEST_IN_MEMORY = 64 << 20
_READ_BYTES = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def open_audio(audio: str) -> BinaryIO:
    """Open a local file, or read an object on S3.

    Args:
        audio: A path or an ``s3://`` URL.

    Returns:
        A binary stream that can seek; a local file has a descriptor.

    Raises:
        AudioError: There is no such file or object, it may not be read, is no regular file, or is too large.
        ObjectStoreError: S3 cannot be reached.
    """
    try:
        if is_object_url(audio):
            return _open_object(audio)
        # A pipe would be waited for, and some devices react to being opened; so look before, and again after.
        _require_regular(audio, os.stat(audio))  # noqa: PTH116 - several times faster than Path, for every file
        descriptor = os.open(audio, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            _require_regular(audio, os.fstat(descriptor))
        except AudioError:
            os.close(descriptor)
            raise
        return open(descriptor, "rb", buffering=0)  # noqa: PTH123 - a descriptor
    except OSError as error:
        raise AudioError(audio, *_reason(error)) from error
    except ValueError as error:  # a null byte, or half of a surrogate pair
        if isinstance(error, UserError):
            raise
        raise AudioError(audio, "missing", "no file can have this name") from error


def hash_of(source: BinaryIO, audio: str) -> str:
    """The SHA-256 of an opened recording's bytes, from where it is to its end; ``audio`` is its name.

    Raises:
        AudioError: It breaks off: a damaged disk, or a file server that has gone away.
    """
    digest = hashlib.sha256()
    try:
        while block := source.read(_READ_BYTES):
            digest.update(block)
    except OSError as error:
        raise AudioError(audio, *_reason(error)) from error
    return digest.hexdigest()


def _require_regular(audio: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(audio, "not a file", "a folder")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(audio, "not a file", "a pipe, a socket or a device")
    if status.st_size > LARGEST_BYTES:
        raise _too_large(audio, status.st_size)


def _open_object(url: str) -> BinaryIO:
    size = object_info(url).size
    if size > LARGEST_BYTES:
        raise _too_large(url, size)
    if size <= _LARGEST_IN_MEMORY:
        return io.BytesIO(read_object(url))
    with scratch_folder() as folder:
        download_object(url, folder / "audio")
        # The file is gone with its descriptor.
        return open(folder / "audio", "rb", buffering=0)  # noqa: PTH123 - kept open


def _too_large(audio: str, size: int) -> AudioError:
    return AudioError(audio, "too large", f"{size / 2**30:.1f} GiB, at most {LARGEST_BYTES >> 30} are read")


def _reason(error: OSError) -> tuple[Reason, str]:
    """The reason of an operating system's error, and its text."""
    if isinstance(error, FileNotFoundError) or error.errno in _ABSENT:
        return "missing", error.strerror or type(error).__name__
    return "unreadable", error.strerror or type(error).__name__
