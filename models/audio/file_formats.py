"""Formats that libsndfile does not read, recognised by a file's first bytes and not by its name.

A format that is known gets an error that says what to do, or is read by FFmpeg's libraries (models/audio/media.py).
"""

from __future__ import annotations

import shlex
import struct
from pathlib import PurePath
from typing import NamedTuple

HEAD_BYTES = 256


class FileFormat(NamedTuple):
    """A format that is known but not read by libsndfile.

    Attributes:
        name: For messages.
        demuxer: FFmpeg's name of it; None for what is no audio.
    """

    name: str
    demuxer: str | None


_MP4 = FileFormat("MP4 (m4a, mp4, 3gp, mov)", "mov")
_PREFIXES: tuple[tuple[bytes, FileFormat], ...] = (
    (b"\x1a\x45\xdf\xa3", FileFormat("WebM or Matroska", "matroska")),
    (b"#!AMR", FileFormat("AMR", "amr")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileFormat("Windows Media (wma)", "asf")),
    (b"ADIF", FileFormat("AAC", "aac")),
    (b"wvpk", FileFormat("WavPack", "wv")),
    (b"MAC ", FileFormat("Monkey's Audio (ape)", "ape")),
    (b"TTA1", FileFormat("True Audio", "tta")),
    (b"MPCK", FileFormat("Musepack", "mpc8")),
    (b"MP+", FileFormat("Musepack", "mpc")),
    (b"DSD ", FileFormat("DSD (dsf)", "dsf")),
    (b"FRM8", FileFormat("DSD (dff)", "iff")),
    (b"FLV\x01", FileFormat("Flash video", "flv")),
    (b".RMF", FileFormat("RealMedia", "rm")),
    (b".ra\xfd", FileFormat("RealAudio", "rm")),
    (b"\x0b\x77", FileFormat("AC-3", "ac3")),
    (b"ajkg", FileFormat("Shorten", "shn")),
    (b"#!iLBC", FileFormat("iLBC", "ilbc")),
    (b"#!SILK", FileFormat("SILK", None)),
    (b"\x02#!SILK", FileFormat("SILK of WeChat", None)),
    (b"\x00\x00\x01\xba", FileFormat("MPEG video", "mpeg")),
    (b"MThd", FileFormat("MIDI, which holds no recording", None)),
    (b"PK\x03\x04", FileFormat("a ZIP archive", None)),
    (b"\x1f\x8b", FileFormat("a gzip archive", None)),
    (b"7z\xbc\xaf", FileFormat("a 7z archive", None)),
    (b"Rar!", FileFormat("a RAR archive", None)),
    (b"%PDF", FileFormat("a PDF document", None)),
    (b"\x89PNG", FileFormat("a PNG picture", None)),
    (b"\xff\xd8\xff", FileFormat("a JPEG picture", None)),
    (b"/annex/objects/", FileFormat("a git-annex pointer; git annex get fetches the recording", None)),
)
_TEXT = ((b"<!doctype", "a web page"), (b"<html", "a web page"), (b"<?xml", "XML"), (b"{", "JSON"))
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# Encodings in WAV files that libsndfile does not read, by Microsoft's number.
_WAV_ENCODINGS = {
    0x22: "TrueSpeech",
    0x42: "G.723.1",
    0x45: "G.726",
    0x50: "MPEG",
    0x55: "MP3",
    0x64: "G.726",
    0x83: "G.729",
    0xFF: "AAC",
    0x111: "G.723.1",
    0x140: "G.726",
    0x160: "Windows Media",
    0x161: "Windows Media",
    0x162: "Windows Media",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x674F: "Vorbis",
    0xA109: "Speex",
    0x704F: "Opus",
}


def unread_format(head: bytes) -> FileFormat | None:
    r"""Recognise a format that libsndfile does not read.

    Args:
        head: The first HEAD_BYTES of a file.

    Returns:
        The format; None where it is not known.

    Example:
        >>> unread_format(b"#!AMR\n<U")
        FileFormat(name='AMR', demuxer='amr')
    """
    for prefix, file_format in _PREFIXES:
        if head.startswith(prefix):
            return file_format
    if head[4:8] in _MP4_BOXES:
        return _MP4
    if head[:4] == b"RIFF":
        return _of_riff(head)
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:  # the sync word of ADTS
        return FileFormat("AAC", "aac")
    if head[:1] == head[188:189] == b"G":
        return FileFormat("MPEG transport stream", "mpegts")
    if head.startswith(b"OggS") and b"Speex   " in head[:64]:
        return FileFormat("Ogg Speex", "ogg")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((FileFormat(name, None) for prefix, name in _TEXT if text.startswith(prefix)), None)


def conversion_command(audio: str) -> str:
    """Write the command that converts a recording.

    Args:
        audio: The recording.

    Returns:
        A command for a shell, with quoted names.

    Example:
        >>> conversion_command("my voice.m4a")
        "ffmpeg -i 'my voice.m4a' 'my voice.wav'"
    """
    path = PurePath(audio)
    # ffmpeg cannot write the file that it reads: a recording that is named .wav gets another name.
    ending = ".converted.wav" if path.suffix.lower() == ".wav" else ".wav"
    output = str(path.with_suffix(ending)) if path.name else f"{audio}.wav"
    return f"ffmpeg -i {shlex.quote(audio)} {shlex.quote(output)}"


def _of_riff(head: bytes) -> FileFormat | None:
    if head[8:12] == b"AVI ":
        return FileFormat("AVI video", "avi")
    fmt = head.find(b"fmt ")
    if head[8:12] != b"WAVE" or fmt < 0 or len(head) < fmt + 10:
        return None
    (encoding,) = struct.unpack_from("<H", head, fmt + 8)
    name = _WAV_ENCODINGS.get(encoding)
    return FileFormat(f"WAV with {name}", "wav") if name else None
