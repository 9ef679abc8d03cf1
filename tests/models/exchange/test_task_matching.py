"""Tasks are matched with utterances by audio that the tool has given another name; what fits several is said."""

from __future__ import annotations

import polars as pl
import pytest

from ambivox.models.exchange._task_matching import UtteranceFinder
from ambivox.models.tables import Utterances


def finder(*audio: str, id_field: str = "utterance_id") -> UtteranceFinder:
    frame = pl.DataFrame(
        {
            "utterance_id": [f"u{number}" for number in range(1, len(audio) + 1)],
            "corpus": "calls",
            "audio": audio,
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "test",
            "transcript": pl.Series([None] * len(audio), dtype=pl.String),
            "speaker": pl.Series([None] * len(audio), dtype=pl.String),
        }
    )
    return UtteranceFinder(Utterances.check(frame, ("anger", "joy")), id_field)


@pytest.mark.parametrize(
    ("recording", "uploaded"),
    [
        ("calls/day 1/take two.wav", "/data/upload/3/1a2b3c4d-take_two.wav"),
        ("calls/take (2).wav", "/data/upload/3/1a2b3c4d-take_2.wav"),
        ("calls/Müller & Söhne.MP3", "/data/upload/3/1a2b3c4d-Müller__Söhne.mp3"),
        ("calls/声 1.wav", "/data/upload/3/1a2b3c4d-声_1.wav"),
        ("calls/a+b@c.flac", "1a2b3c4d-abc.flac"),
        ("calls/take two.wav", "/data/upload/3/1a2b3c4d-take%20two.wav"),
        ("calls/deadbeef-a.wav", "/data/upload/3/0a1b2c3d-deadbeef-a.wav"),
    ],
)
def test_names_that_label_studio_gives_to_uploads_are_found(recording: str, uploaded: str) -> None:
    found = finder(recording, "calls/other.wav")
    assert found.find({"audio": uploaded}).utterance_id == "u1"


@pytest.mark.parametrize(
    ("recordings", "audio"),
    [
        (("a/take one.wav", "b/take_one.wav"), "/data/upload/1/1a2b3c4d-take_one.wav"),
        (("s1/a.wav", "s2/a.wav"), "a.wav"),
        (("s1/a.wav", "s2/a.wav"), "/data/upload/1/1a2b3c4d-a.wav"),
    ],
)
def test_a_name_of_several_recordings_is_no_match_and_they_are_named(
    recordings: tuple[str, str], audio: str
) -> None:
    found = finder(*recordings)
    problem = "vote for a recording of several utterances"
    assert found.find({"audio": audio}) == (None, problem, f"{audio} may be of 'u1', 'u2'")


def test_a_recording_with_the_very_name_of_the_task_comes_first() -> None:
    assert finder("a/take one.wav", "b/take_one.wav").find({"audio": "take_one.wav"}).utterance_id == "u2"


@pytest.mark.parametrize("audio", ["", " ", None, {"url": "x"}])
def test_audio_in_another_field_is_found_where_there_is_one(audio: object) -> None:
    found = finder("calls/a.wav", "calls/b.wav")
    task = {"audio": audio, "url": "https://host/calls/b.wav?sig=1", "text": "said a.wav, loudly"}
    assert found.find(task).utterance_id == "u2"


def test_audio_in_several_fields_is_asked_about_and_an_option_names_one() -> None:
    task = {"first": "a.wav", "second": "1a2b3c4d-b_1.wav"}
    found = finder("calls/a.wav", "calls/b 1.wav").find(task)
    assert found.utterance_id is None
    assert found.detail.startswith(
        "audio in several fields, 'first', 'second': name the one that was heard by --id-field"
    )
    assert finder("calls/a.wav", "calls/b 1.wav", id_field="second").find(task).utterance_id == "u2"


def test_an_id_that_is_unknown_is_not_replaced_by_audio() -> None:
    assert finder("a.wav").find({"utterance_id": "gone", "audio": "a.wav"}) == (
        None,
        "vote for an unknown utterance",
        "gone",
    )
