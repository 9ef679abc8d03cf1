"""Files that libsndfile does not read: named with what to do, or read by FFmpeg's libraries where those are there."""

from __future__ import annotations

import shlex
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.file_formats import conversion_command
from ambivox.models.audio.probing import probe
from tests.support.wav_files import tone, wav, write_wav


def box(name: bytes, content: bytes = b"") -> bytes:
    """A box of an MP4 file."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def wav_of_encoding(number: int) -> bytes:
    """A WAV file that declares an encoding of Microsoft's list."""
    content = bytearray(wav(tone()))
    struct.pack_into("<H", content, 20, number)
    return bytes(content)


def write_media(path: Path, codec: str, rate_hz: int, channels: int) -> Path:
    """A second of a tone in a format that only FFmpeg's libraries write."""
    av = pytest.importorskip("av")
    samples = np.tile(tone(1.0, rate_hz).astype(np.float32), (channels, 1))
    layout = "stereo" if channels == 2 else "mono"
    muxer = {".wma": "asf", ".aac": "adts", ".mka": "matroska"}.get(path.suffix)
    with av.open(str(path), "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout=layout)
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(stream.format, stream.layout, rate_hz, stream.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where PyAV is not installed."""
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "ambivox.models.audio.media", raising=False)


EBML = bytes.fromhex("1A45DFA39F4286810142F7810142F2810442F381084282847765626D")
UNREAD = {
    "voice.m4a": (box(b"ftyp", b"M4A \0\0\0\0M4A mp42isom") + box(b"mdat", b"\1" * 900), "MP4"),
    "video.mp4": (box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov"), "MP4"),
    "old.3gp": (box(b"ftyp", b"3gp4\0\0\2\0isom3gp4") + box(b"mdat", b"\1" * 800), "MP4"),
    "quicktime.mov": (box(b"moov", box(b"mvhd", bytes(100))), "MP4"),
    "chrome.webm": (EBML + bytes(range(255)) * 8, "WebM or Matroska"),
    "saved_as.wav": (EBML + bytes(range(255)) * 8, "WebM or Matroska"),
    "saved_as.mp3": (box(b"ftyp", b"M4A \0\0\0\0") + bytes(900), "MP4"),
    "phone.amr": (b"#!AMR\n" + b"\x3c" + b"\x55" * 600, "AMR"),
    "wide.awb": (b"#!AMR-WB\n" + b"\x44" * 600, "AMR"),
    "radio.aac": (bytes.fromhex("FFF15080") + b"\x21" * 900, "AAC"),
    "radio9.aac": (bytes.fromhex("FFF95080") + b"\x21" * 900, "AAC"),
    "windows.wma": (bytes.fromhex("3026B2758E66CF11A6D900AA0062CE6C") + bytes(900), "Windows Media"),
    "a.ape": (b"MAC \x96\x0f" + bytes(900), "Monkey's Audio"),
    "a.wv": (b"wvpk" + bytes(900), "WavPack"),
    "a.tta": (b"TTA1" + bytes(900), "True Audio"),
    "a.mpc": (b"MPCK" + bytes(900), "Musepack"),
    "a.ra": (b".ra\xfd" + bytes(900), "RealAudio"),
    "a.rm": (b".RMF" + bytes(900), "RealMedia"),
    "a.dsf": (b"DSD " + bytes(900), "DSD"),
    "a.ac3": (b"\x0b\x77" + bytes(900), "AC-3"),
    "a.flv": (b"FLV\x01" + bytes(900), "Flash video"),
    "a.avi": (b"RIFF\xff\x00\x00\x00AVI LIST" + bytes(900), "AVI"),
    "g729.wav": (wav_of_encoding(0x83), "WAV with G.729"),
    "g726.wav": (wav_of_encoding(0x45), "WAV with G.726"),
    "wma.wav": (wav_of_encoding(0x161), "WAV with Windows Media"),
    "truespeech.wav": (wav_of_encoding(0x22), "WAV with TrueSpeech"),
    "aac.wav": (wav_of_encoding(0xFF), "WAV with AAC"),
}
NO_AUDIO = {
    "wechat.silk": (b"\x02#!SILK_V3" + bytes(900), "SILK"),
    "page.wav": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
    "error.wav": (b'{"error": "not found"}', "JSON"),
    "denied.wav": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "archive.wav": (b"PK\x03\x04" + bytes(900), "a ZIP archive"),
    "a.gz.wav": (b"\x1f\x8b\x08" + bytes(900), "a gzip archive"),
    "scan.wav": (b"%PDF-1.7" + bytes(900), "a PDF document"),
    "song.mid": (b"MThd" + bytes(900), "MIDI"),
    "annex.wav": (b"/annex/objects/SHA256E-s100--abc.wav\n", "git annex get"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_known_format_is_named_with_the_command_that_converts_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pyav(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))  # nor ffmpeg
    content, kind = UNREAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        decode(str(path))
    assert caught.value.reason == "in a format that is not read"
    assert kind in str(caught.value)
    assert conversion_command(str(path)) in str(caught.value)
    assert "pip install 'ambivox[media]'" in str(caught.value)
    assert probe([str(path)], tmp_path / "c.sqlite")["problem"].to_list() == ["in a format that is not read"]


@pytest.mark.parametrize("name", ["call.wav", "CALL.WAV", "a b/x.y.Wav"])
def test_the_conversion_of_a_file_named_wav_does_not_overwrite_it(name: str) -> None:
    source, output = shlex.split(conversion_command(name))[2:]
    assert source == name
    assert Path(output).suffix == ".wav"
    assert output.casefold() != name.casefold()


@pytest.mark.parametrize("name", [name for name in UNREAD if UNREAD[name][0][:4] != b"RIFF"])
def test_a_damaged_file_of_a_known_format_is_corrupt(tmp_path: Path, name: str) -> None:
    pytest.importorskip("av")
    content, _ = UNREAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        decode(str(path))
    assert caught.value.reason in ("corrupt", "empty", "too short")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_audio_is_named(tmp_path: Path, name: str) -> None:
    content, kind = NO_AUDIO[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError) as caught:
        decode(str(tmp_path / name))
    assert caught.value.reason == "in a format that is not read"
    assert kind in str(caught.value)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_pointer_of_git_lfs_says_what_to_run(tmp_path: Path, newline: bytes) -> None:
    lines = [b"version https://git-lfs.github.com/spec/v1", b"oid sha256:" + b"4d" * 32, b"size 80044", b""]
    (tmp_path / "a.wav").write_bytes(newline.join(lines))
    with pytest.raises(AudioError, match="run git lfs pull") as caught:
        decode(str(tmp_path / "a.wav"))
    assert caught.value.reason == "a git-lfs pointer"


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz", "channels"),
    [
        ("m4a", "aac", 44_100, 1),
        ("mp4", "aac", 48_000, 2),
        ("mov", "aac", 16_000, 1),
        ("3gp", "aac", 16_000, 1),
        ("webm", "libopus", 48_000, 1),
        ("mka", "pcm_s16le", 16_000, 1),
        ("aac", "aac", 44_100, 1),
        ("wma", "wmav2", 44_100, 2),
        ("wv", "wavpack", 16_000, 1),
        ("tta", "tta", 16_000, 1),
        ("flv", "aac", 44_100, 1),
        ("avi", "pcm_s16le", 16_000, 1),
        ("ac3", "ac3", 48_000, 2),
    ],
)
def test_recordings_of_phones_and_browsers_are_heard(
    tmp_path: Path, suffix: str, codec: str, rate_hz: int, channels: int
) -> None:
    path = write_media(tmp_path / f"tone.{suffix}", codec, rate_hz, channels)
    row = probe([str(path)], tmp_path / "c.sqlite").row(0, named=True)
    assert row["problem"] is None, row["detail"]
    assert (row["sample_rate_hz"], row["channels"]) == (rate_hz, channels)
    assert row["duration_seconds"] == pytest.approx(1.0, abs=0.1)
    whole = decode(str(path))
    assert np.abs(np.fft.rfft(whole)).argmax() * 16_000 / len(whole) == pytest.approx(300, abs=3)
    assert np.abs(whole[4000:12000]).max() == pytest.approx(0.5, abs=0.05)
    part = decode(Clip(str(path), 0.25, 0.5))
    assert len(part) == 4000
    np.testing.assert_allclose(part[100:-100], whole[4100:7900], atol=0.01)


def test_a_playlist_does_not_open_other_files(tmp_path: Path) -> None:
    secret = write_wav(tmp_path / "secret.wav", tone())
    for name, content in {
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{secret}\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile {secret}\n",
        "list.m4a": f"ffconcat version 1.0\nfile {secret}\n",
    }.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(AudioError) as caught:
            decode(str(tmp_path / name))
        assert caught.value.reason == "corrupt"


@pytest.mark.parametrize(
    ("suffix", "codec", "old", "new"),
    [
        ("m4a", "aac", b"soun", b"vide"),
        ("webm", "libopus", b"A_OPUS", b"A_NONE"),
        ("wma", "wmav2", b"\xa1\xdc\xab\x8cG\xa9\xcf\x11", b"\xa1\xdc\xab\x8cG\xa9\xcf\x12"),
    ],
)
def test_a_damaged_container_is_an_error_with_a_reason(
    tmp_path: Path, suffix: str, codec: str, old: bytes, new: bytes
) -> None:
    path = write_media(tmp_path / f"a.{suffix}", codec, 48_000, 1)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(AudioError) as caught:
        decode(str(path))
    assert caught.value.reason in ("corrupt", "empty")


@pytest.mark.parametrize(
    ("suffix", "codec"), [("m4a", "aac"), ("webm", "libopus"), ("wma", "wmav2"), ("avi", "pcm_s16le")]
)
@pytest.mark.parametrize("seed", range(12))
def test_random_damage_is_sound_or_an_error_with_a_reason(
    tmp_path: Path, suffix: str, codec: str, seed: int
) -> None:
    path = write_media(tmp_path / f"a.{suffix}", codec, 48_000, 1)
    draw, content = np.random.default_rng(seed), bytearray(path.read_bytes())
    for position in draw.integers(16, len(content), size=40):
        content[position] = draw.integers(256)
    path.write_bytes(content[: draw.integers(len(content) // 2, len(content))])
    for clip in (Clip(str(path)), Clip(str(path), 0.2, 0.4)):
        try:
            assert len(decode(clip))
        except AudioError as error:
            assert "\n" not in str(error)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
@pytest.mark.parametrize(
    ("suffix", "codec"), [("m4a", "aac"), ("webm", "libopus"), ("wma", "wmav2"), ("aac", "aac")]
)
def test_the_program_ffmpeg_reads_them_too(
    tmp_path: Path, suffix: str, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / f"-a b.{suffix}", codec, 48_000, 2)
    expected = decode(str(path))
    without_pyav(monkeypatch)
    samples = decode(str(path))
    assert len(samples) == pytest.approx(len(expected), abs=100)  # the program cuts the encoder's padding
    np.testing.assert_allclose(samples[:15_000], expected[:15_000], atol=0.01)
    assert len(decode(Clip(str(path), 0.25, 0.5, channel=2))) == 4000
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes(len(content) - 20))
    with pytest.raises(AudioError) as caught:
        decode(str(path))
    assert caught.value.reason in ("corrupt", "empty")
    assert "\n" not in str(caught.value)


def test_ffmpeg_that_fails_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pyav(monkeypatch)
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no decoder for this' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (tmp_path / "a.m4a").write_bytes(UNREAD["voice.m4a"][0])
    with pytest.raises(AudioError, match=r"audio is corrupt \(MP4 .*: ffmpeg: no decoder for this\)"):
        decode(str(tmp_path / "a.m4a"))
