"""Probing agrees with soundfile and hashlib, remembers what has not changed, and only that."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ambivox.models.audio.probing
import ambivox.models.parallel
from ambivox.models.audio.probing import cache_file, probe
from ambivox.models.audio.wav_header import wav_header
from ambivox.models.errors import UserError


def write(path: Path, seconds: float = 0.5, rate_hz: int = 16_000, channels: int = 1, **options: str) -> str:
    """A file of quiet noise."""
    noise = np.random.default_rng(len(path.name)).normal(scale=0.1, size=(int(seconds * rate_hz), channels))
    soundfile.write(path, noise.clip(-1, 1), rate_hz, **options)
    return str(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("b.wav", {"subtype": "PCM_24"}),
        ("c.wav", {"subtype": "FLOAT"}),
        ("d.wav", {"format": "WAVEX", "subtype": "PCM_16"}),
        ("e.wav", {"subtype": "ULAW"}),
        ("f.flac", {}),
        ("g.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("h.mp3", {}),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_soundfile_and_hashlib(
    tmp_path: Path, name: str, options: dict[str, str], channels: int
) -> None:
    path = write(tmp_path / name, channels=channels, **options)
    row = probe([path], cache=tmp_path / "cache.sqlite").row(0, named=True)
    expected = soundfile.info(path)
    assert row["audio_sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert row["sample_rate_hz"] == expected.samplerate
    assert row["channels"] == channels
    assert row["duration_seconds"] == pytest.approx(expected.duration)
    assert row["problem"] is None


def test_wav_header_steps_over_other_chunks(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.wav"))
    content = path.read_bytes()
    odd = content[:12] + b"LIST" + (3).to_bytes(4, "little") + b"abc\0" + content[12:]
    header, shifted = (wav_header(io.BytesIO(each), len(each)) for each in (content, odd))
    assert header is not None and shifted is not None
    assert shifted == replace(header, data_start=header.data_start + 12)
    assert wav_header(io.BytesIO(content[:30]), 30) is None


def test_problems_are_rows_in_order(tmp_path: Path) -> None:
    good = write(tmp_path / "good.wav")
    short = write(tmp_path / "short.wav", seconds=0.001)
    cut = Path(write(tmp_path / "cut.wav"))
    cut.write_bytes(cut.read_bytes()[:-1000])
    text = tmp_path / "text.wav"
    text.write_text("hello")
    absent = str(tmp_path / "absent.wav")
    names = [absent, good, short, str(cut), str(text), good]
    for _ in range(2):  # the second time from the cache
        probed = probe(names, cache=tmp_path / "cache.sqlite")
        assert probed["audio"].to_list() == names
        assert probed["problem"].to_list() == ["missing", None, "too short", "corrupt", "corrupt", None]


def test_only_changed_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [write(tmp_path / f"{index}.wav", seconds=0.1 + index / 100) for index in range(6)]
    cache = tmp_path / "cache.sqlite"
    first = probe(names, cache)
    examined: list[str] = []
    real = ambivox.models.audio.probing._examine
    monkeypatch.setattr(
        ambivox.models.audio.probing,
        "_examine",
        lambda name, clips: (examined.append(name), real(name, clips))[1],
    )
    assert probe(names, cache).equals(first)
    assert examined == []
    write(Path(names[2]), seconds=0.3)  # another size
    changed = Path(names[4]).stat()
    os.utime(names[4], ns=(changed.st_atime_ns, changed.st_mtime_ns + 1))  # another time only
    second = probe(names, cache)
    assert sorted(examined) == [names[2], names[4]]
    assert second["duration_seconds"][2] == pytest.approx(0.3)


def test_an_interrupted_probe_remembers_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [write(tmp_path / f"{index}.wav", seconds=0.1) for index in range(6)]
    cache = tmp_path / "cache.sqlite"
    monkeypatch.setattr(ambivox.models.parallel, "_BATCH", 2)
    real = ambivox.models.audio.probing._examine

    def interrupted(name: str, clips: object) -> object:
        if name == names[4]:
            raise KeyboardInterrupt
        return real(name, clips)

    monkeypatch.setattr(ambivox.models.audio.probing, "_examine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe(names, cache, workers=1)
    examined: list[str] = []
    monkeypatch.setattr(
        ambivox.models.audio.probing,
        "_examine",
        lambda name, clips: (examined.append(name), real(name, clips))[1],
    )
    assert probe(names, cache)["problem"].null_count() == 6
    assert examined == names[4:]


def test_a_relative_path_is_remembered_by_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "one" / "a.wav", seconds=0.1)
    write(tmp_path / "two" / "a.wav", seconds=0.2)
    durations = []
    for folder in ("one", "two"):
        monkeypatch.chdir(tmp_path / folder)
        durations.append(probe(["a.wav"], tmp_path / "cache.sqlite")["duration_seconds"][0])
    assert durations == pytest.approx([0.1, 0.2])


def test_a_damaged_cache_says_so(tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    cache.write_text("this is not a database" * 100)
    with pytest.raises(UserError, match=r"cache\.sqlite: not a cache .* delete it"):
        probe([], cache)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder is expected")
    name = write(tmp_path / "a.wav")
    assert probe([name], tmp_path / "file" / "cache.sqlite")["problem"].to_list() == [None]


def test_the_cache_is_in_the_user_s_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMBIVOX_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file() == tmp_path / ".cache" / "ambivox" / "audio.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_file() == tmp_path / "xdg" / "ambivox" / "audio.sqlite"
    monkeypatch.setenv("AMBIVOX_CACHE", str(tmp_path / "own"))
    assert cache_file() == tmp_path / "own" / "audio.sqlite"
