"""Segments that are given in frames or samples: converted where the rate is known, asked about otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.table_preview import preview
from tests.support.found_tables import CLIPS, VOTES, write, write_recordings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings of 16 kHz in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


def segments(root: Path, header: list[str], first: list[str], second: list[str]) -> None:
    """Two segments of each of two recordings, with a vote each."""
    lines = [
        [f"Ton/{CLIPS[n // 2]}.wav", *(second if n % 2 else first), "kim", VOTES[n][0]] for n in range(4)
    ]
    write(root / "table.csv", ["file", *header, "rater", "emotion"], lines, by=";")


SECONDS = {(0.0, 0.04), (0.04, 0.08)}


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        (["start_frame", "end_frame", "fps"], ["0", "1", "25"], ["1", "2", "25"]),
        (["StartFrame", "EndFrame", "Frame rate"], ["0", "4", "100"], ["4", "8", "100"]),
        (["startframe", "endframe", "frame_rate"], ["0", "1", "25,0"], ["1", "2", "25,0"]),
        (["onset_frames", "offset_frames", "video_fps"], ["0", "1", "25 fps"], ["1", "2", "25 fps"]),
        (["start_frame", "duration_s", "fps"], ["0", "0.04", "25"], ["1", "0.04", "25"]),
        (["frame_offset", "num_frames", "fps"], ["0", "1", "25"], ["1", "1", "25"]),
        (["start_sample", "end_sample"], ["0", "640"], ["640", "1280"]),
        (["sample_offset", "num_samples"], ["0", "640"], ["640", "640"]),
        (["begin_sample", "end_sample", "sample_rate"], ["0", "320", "8000"], ["320", "640", "8000"]),
        (["sample_start", "sample_end", "sampling rate (kHz)"], ["0", "320", "8"], ["320", "640", "8"]),
        (["start_sample", "end_sample", "sr"], ["0", "320", "8 kHz"], ["320", "640", "8 kHz"]),
        (["start_frame", "end_frame", "start", "end"], ["0", "7", "0", "0.04"], ["7", "9", "0.04", "0.08"]),
        (["sample", "start_ms", "end_ms"], ["1", "0", "40"], ["2", "40", "80"]),
    ],
)
def test_frames_become_seconds(root: Path, header: list[str], first: list[str], second: list[str]) -> None:
    segments(root, header, first, second)
    utterances = load(root).utterances
    assert set(zip(utterances["start_seconds"], utterances["end_seconds"], strict=True)) == SECONDS
    assert utterances.height == 4


@pytest.mark.parametrize("header", [["start_frame", "end_frame"], ["frame_offset", "num_frames"]])
@pytest.mark.parametrize("options", [{}, {"start": 0, "end": 1}])
def test_frames_without_a_rate_are_asked_about(
    root: Path, header: list[str], options: dict[str, int]
) -> None:
    segments(root, header, ["0", "1"], ["1", "2"])
    given = {name: header[place] for name, place in options.items()}
    with pytest.raises(
        UserError, match=r"are numbers of frames, and no column says how many .* add a column frame_rate"
    ):
        load(root, utterance="file", audio="file", label="emotion", utterances="table.csv", **given)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="add a column frame_rate"):
        load(root, **given)  # type: ignore[arg-type]


def test_frames_of_clips_that_were_cut_before_are_not_read(root: Path) -> None:
    lines = [
        [f"Ton/{clip}.wav", "100", "200", rater, VOTES[n][0]]
        for n, clip in enumerate(CLIPS)
        for rater in ("kim", "lou")
    ]
    write(root / "table.csv", ["file", "start_frame", "end_frame", "rater", "emotion"], lines)
    assert not preview(root, {}).doubts
    data = load(root)
    assert "start_seconds" not in data.utterances.columns
    assert any("'start_frame' is not read as a place" in note for note in data.notes)


def test_what_is_no_number_of_frames_is_a_reject(root: Path) -> None:
    segments(
        root, ["start_sample", "end_sample", "sample_rate"], ["0.5", "640", "16000"], ["640", "1280", "16000"]
    )
    assert load(root, start="start_sample").rejects.filter(reason="unreadable segment").height == 2
    segments(
        root, ["start_sample", "end_sample", "sample_rate"], ["0", "640", "16"], ["640", "1280", "16000"]
    )
    assert load(root, start="start_sample").rejects.filter(reason="unreadable segment").height == 2
