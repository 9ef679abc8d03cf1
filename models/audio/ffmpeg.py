"""Reading by the program ffmpeg, where it is on the path and PyAV is not installed: converted to a temporary WAV first.

The demuxer is chosen by the file's first bytes and only local files may be opened, so a playlist cannot name an address.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from typing import BinaryIO

from ambivox.models.audio.audio_error import LARGEST_BYTES, AudioError
from ambivox.models.audio.file_formats import FileFormat
from ambivox.models.temporary_files import scratch_folder

_SECONDS = 600


def find_ffmpeg() -> str | None:
    """Find the program.

    Returns:
        Its path; None where it is not installed.
    """
    return shutil.which("ffmpeg")


def convert(program: str, source: BinaryIO, audio: str, file_format: FileFormat) -> BinaryIO:
    """Convert the first audio track of a file.

    Args:
        program: The path of ffmpeg.
        source: The open file.
        audio: Its name, for error messages.
        file_format: Its format.

    Returns:
        A temporary file in Sony's W64 format with 32-bit samples, which is gone once it is closed.

    Raises:
        AudioError: ffmpeg cannot read the file, or takes longer than ten minutes.
    """
    assert file_format.demuxer is not None
    source.seek(0)
    with scratch_folder() as folder:
        copied = os.path.join(folder, "input")  # noqa: PTH118 - names for a program
        converted = os.path.join(folder, "output.w64")  # noqa: PTH118
        with open(copied, "wb") as file:  # noqa: PTH123 - an object on S3 has no name that ffmpeg could open
            shutil.copyfileobj(source, file, 1 << 20)
        command = [
            program,
            "-nostdin",
            "-v",
            "error",
            "-protocol_whitelist",
            "file",
            "-f",
            file_format.demuxer,
        ]
        command += ["-i", f"file:{copied}", "-map", "0:a:0", "-c:a", "pcm_f32le", "-fs", str(LARGEST_BYTES)]
        try:
            done = subprocess.run(
                [*command, "-f", "w64", f"file:{converted}"],
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AudioError(
                audio, "corrupt", f"{file_format.name}: ffmpeg took over {_SECONDS} s"
            ) from error
        if done.returncode or not os.path.exists(converted):  # noqa: PTH110
            lines = done.stderr.decode(errors="replace").replace(copied, audio).split("\n")
            raise AudioError(audio, "corrupt", f"{file_format.name}: ffmpeg: {' '.join(lines[0].split())}")
        return io.FileIO(converted)
