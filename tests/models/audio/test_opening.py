"""What is no regular file, or too large, is rejected at once: nothing hangs and nothing is read without end."""

from __future__ import annotations

import os
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ambivox.models.audio.opening
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.probing import probe
from tests.support.wav_files import tone, wav, write_wav


def strange(kind: str, folder: Path) -> str:
    """Make what no recording is, and return its name."""
    path = folder / "a.wav"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(folder / "b.wav")
        (folder / "b.wav").symlink_to(path)
    elif kind == "link to a pipe":
        os.mkfifo(folder / "pipe")
        path.symlink_to(folder / "pipe")
    elif kind == "link to nothing":
        path.symlink_to(folder / "absent")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(folder)  # the name of a socket is short
            server.bind("a.wav")
            os.chdir(here)
    elif kind == "read error":
        path.symlink_to("/proc/self/mem")  # a regular file whose first bytes cannot be read
    elif kind == "below a file":
        path.write_bytes(wav(tone()))
        return f"{path}/b.wav"
    return {
        "device": "/dev/zero",
        "endless device": "/dev/urandom",
        "long name": f"{folder}/{'a' * 5000}.wav",
        "long path": f"{folder}/{'a/' * 5000}b.wav",
        "null byte": f"{folder}/a\0b.wav",
        "half a pair": f"{folder}/\ud800.wav",
        "empty name": "",
    }.get(kind, str(path))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "not a file"),
        ("link to a pipe", "not a file"),
        ("socket", "not a file"),
        ("folder", "not a file"),
        ("device", "not a file"),
        ("endless device", "not a file"),
        ("loop", "unreadable"),
        ("link to nothing", "missing"),
        ("below a file", "missing"),
        ("long name", "missing"),
        ("long path", "missing"),
        ("null byte", "missing"),
        ("half a pair", "missing"),
        ("empty name", "missing"),
        ("read error", "unreadable"),
    ],
)
@pytest.mark.timeout(20)
def test_what_is_no_recording_is_rejected_with_its_reason(tmp_path: Path, kind: str, reason: str) -> None:
    name = strange(kind, tmp_path)
    with pytest.raises(AudioError) as caught:
        decode(name)
    assert caught.value.reason == reason
    if kind == "half a pair":  # no table can hold it
        return
    good = write_wav(tmp_path / "good.wav", tone())
    probed = probe([good, name], tmp_path / "c.sqlite")
    assert probed["problem"].to_list() == [None, reason]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone()))
    os.truncate(path, 7 << 30)  # a sparse file
    with pytest.raises(AudioError, match=r"audio is too large \(7\.0 GiB, at most 6 are read\)"):
        decode(str(path))
    assert probe([str(path)], tmp_path / "c.sqlite")["problem"].to_list() == ["too large"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = Path(write_wav(tmp_path / "a.wav", tone()))
    path.chmod(0)
    with pytest.raises(AudioError, match="audio is unreadable"):
        decode(str(path))


def test_memory_is_the_result_and_one_block(tmp_path: Path) -> None:
    rate_hz, minutes = 192_000, 2
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_24") as file:
        for _ in range(minutes * 60):
            file.write(np.stack([tone(1.0, rate_hz)] * 2, axis=1))
    decode(write_wav(tmp_path / "warm.wav", tone()))
    tracemalloc.start()
    samples = decode(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(samples) == minutes * 60 * 16_000
    # Decoded at once, the file would take 2 * 120 * 192,000 * 4 = 184 MB.
    assert peak < samples.nbytes + 20_000_000


def test_the_result_does_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=(50_000, 2))
    for name, options in {"a.wav": {}, "a.flac": {}, "a.ogg": {}, "gsm.wav": {"subtype": "GSM610"}}.items():
        path, mono = tmp_path / name, noise[:, :1] if name == "gsm.wav" else noise
        soundfile.write(path, mono, 44_100, **options)
        expected = decode(str(path))
        with monkeypatch.context() as patch:
            patch.setattr("ambivox.models.audio.sounds._FIRST_BLOCK_VALUES", 333)
            patch.setattr("ambivox.models.audio.sounds._BLOCK_VALUES", 1000)
            np.testing.assert_array_equal(decode(str(path)), expected)


def test_a_large_object_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = wav(tone())

    def download(url: str, path: Path) -> None:
        path.write_bytes(content)

    class Info:
        size = len(content)

    monkeypatch.setattr(ambivox.models.audio.opening, "_LARGEST_IN_MEMORY", 100)
    monkeypatch.setattr(ambivox.models.audio.opening, "download_object", download)
    monkeypatch.setattr(ambivox.models.audio.opening, "object_info", lambda _: Info)
    assert len(decode("s3://speech/a.wav")) == 8000
