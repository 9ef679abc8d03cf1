"""Rows that share a recording are segments: found by the usual names of columns, heard apart, with ids of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.audio.clips import clips
from ambivox.models.audio.decoding import decode
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest
from ambivox.models.ingestion.rejected_rows import IngestError
from ambivox.models.ingestion.segment_columns import SegmentColumns, find_segment_columns
from ambivox.models.ingestion.segments import read_channels
from tests.support.wav_files import tone, write_wav

HZ = (200, 400, 600)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A call of 3 s with another tone per second, and a recording of its own."""
    root = tmp_path / "corpus"
    write_wav(root / "call.wav", np.concatenate([tone(1.0, hz=hz) for hz in HZ]))
    write_wav(root / "single.wav", tone(0.5, hz=800))
    return root


def write(root: Path, header: str, rows: list[str], votes: list[str] | None = None) -> None:
    """The table of utterances, and that of votes."""
    (root / "utterances.csv").write_text("\n".join([header, *rows]) + "\n")
    if votes is not None:
        (root / "votes.csv").write_text("\n".join(["utterance_id,annotator_id,label", *votes]) + "\n")


def ingested(root: Path, **options: object) -> IngestedCorpus:
    """The corpus, ingested."""
    data = load(root, **options)  # type: ignore[arg-type]
    return ingest(data, "table", root=root, cache=root.parent / "cache.sqlite")


def loudest(corpus: IngestedCorpus) -> dict[str, int]:
    """The tone that is heard in each utterance, in Hz."""
    heard = {}
    for name, clip in zip(
        corpus.utterances.frame["utterance_id"], clips(corpus.utterances.frame), strict=True
    ):
        samples = decode(clip)
        heard[name] = round(float(np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples)))
    return heard


VOTES = ["a,r1,anger", "b,r1,joy", "c,r1,anger", "d,r1,joy"]


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ("start,end", ["0,1", "1,2", "2,3", ","]),
        ("start_seconds,end_seconds", ["0,1", "1,2", "2,3", ","]),
        ("Start Time (s),End Time (s)", ["0.0,1.0", "1.0,2.0", "2.0,3.0", ","]),
        ("begin,stop", ["0,1", "1,2", "2,", ","]),
        ("offset,duration", ["0,1", "1,1", "2,1", ","]),
        ("onset,offset", ["0,1", "1,2", "2,3", ","]),
        ("onset,duration", ["0,1", "1,1", "2,1", ","]),
        ("start_ms,end_ms", ["0,1000", "1000,2000", "2000,3000", ","]),
        ("offset,duration_ms", ["0,1000", "1,1000", "2,1000", ","]),
        ("segment_start,segment_length", ["0,1", "1,1", "2,1", ","]),
        ("from,to", ["0:00,0:01", "0:01.0,0:02.0", '0:00:02.000,"0:00:03,000"', ","]),
        ("tmin,tmax", ["0e0,1e0", "1.0,2", "2,3.1", ","]),
    ],
)
def test_segments_are_found_by_the_usual_columns(root: Path, columns: str, times: list[str]) -> None:
    audio = ["call.wav", "call.wav", "call.wav", "single.wav"]
    rows = [f"{name},{file},s{name},{time}" for name, file, time in zip("abcd", audio, times, strict=True)]
    write(root, f"utterance_id,audio,speaker,{columns}", rows, VOTES)
    corpus = ingested(root)
    assert loudest(corpus) == {"a": 200, "b": 400, "c": 600, "d": 800}
    assert corpus.utterances.frame["duration_seconds"].to_list() == pytest.approx([1, 1, 1, 0.5])
    assert corpus.utterances.frame["audio_sha256"].n_unique() == 4
    assert len(corpus.votes) == 4
    assert corpus.rejects.height == 0


def test_one_table_with_a_row_per_vote_and_no_id_per_segment(root: Path) -> None:
    rows = [
        f"call,call.wav,{second},{second + 1},{rater},{label}"
        for second, label in enumerate(["anger", "joy", "fear"])
        for rater in ("r1", "r2")
    ]
    write(root, "utterance_id,audio,start,end,annotator_id,label", [*rows, "d,single.wav,,,r1,joy"])
    corpus = ingested(root)
    assert loudest(corpus) == {"call@0-1": 200, "call@1-2": 400, "call@2-3": 600, "d": 800}
    assert len(corpus.votes) == 7
    assert corpus.rejects.height == 0


def test_times_of_clips_that_were_cut_before_are_not_used(root: Path) -> None:
    write(
        root,
        "utterance_id,audio,speaker,start,end",
        ["a,call.wav,s1,125.0,128.0", "b,single.wav,s2,3.5,4.0"],
        ["a,r1,anger", "b,r1,joy"],
    )
    corpus = ingested(root)
    assert corpus.utterances.frame["duration_seconds"].to_list() == [3.0, 0.5]
    assert any("'start' is not read as a place" in note for note in corpus.profile["notes"])
    with pytest.raises(IngestError, match="rejected: audio is outside the recording 2") as caught:
        ingested(root, start="start")
    assert caught.value.rejects.height == 4


def test_a_column_that_is_named_is_read_and_must_be_there(root: Path) -> None:
    write(
        root,
        "utterance_id,audio,speaker,cue,till",
        ["a,call.wav,s1,1,2", "b,single.wav,s2,0,0.4"],
        ["a,r1,anger", "b,r1,joy"],
    )
    corpus = ingested(root, start="cue", end="till")
    assert loudest(corpus) == {"a": 400, "b": 800}
    with pytest.raises(UserError, match=r"columns \['begins'\] are missing"):
        load(root, start="begins")


@pytest.mark.parametrize("time", ["2,1", "x,2", "-1,1", "1,1", "nan,2", "1,inf", "7,9"])
def test_times_that_cannot_be_are_rejects(root: Path, time: str) -> None:
    write(
        root,
        "utterance_id,audio,speaker,start,end",
        ["a,call.wav,s1,0,1", "b,call.wav,s2,1,2", f"c,call.wav,s3,{time}"],
        VOTES[:3],
    )
    corpus = ingested(root, start="start", end="end")
    assert corpus.utterances.frame["utterance_id"].to_list() == ["a", "b"]
    reasons = set(corpus.profile["rejects"]) - {
        "vote for a rejected utterance",
        "votes for an utterance without audio",
    }
    assert reasons in ({"unreadable segment"}, {"audio is outside the recording"})


def test_the_speakers_of_a_call_are_heard_apart(root: Path) -> None:
    write_wav(root / "stereo.wav", np.stack([tone(2.0, hz=300), tone(2.0, hz=900)], axis=1))
    write(
        root,
        "utterance_id,audio,speaker,start,end,channel",
        [
            "a,stereo.wav,agent,0,1,left",
            "b,stereo.wav,caller,0,1,right",
            "c,stereo.wav,agent,1,2,1",
            "d,single.wav,x,,,",
        ],
        VOTES,
    )
    corpus = ingested(root)
    assert loudest(corpus) == {"a": 300, "b": 900, "c": 300, "d": 800}
    assert corpus.utterances.frame["channel"].to_list() == [1, 2, 1, None]


def test_one_channel_for_all(root: Path) -> None:
    write_wav(root / "stereo.wav", np.stack([tone(1.0, hz=300), tone(1.0, hz=900)], axis=1))
    write(
        root, "utterance_id,audio,speaker", ["a,stereo.wav,s1", "b,single.wav,s2"], ["a,r1,anger", "b,r1,joy"]
    )
    data, cache = load(root), root.parent / "cache.sqlite"
    mixed = ingest(data, "table", cache=cache)
    assert any("has different channels, which are averaged" in note for note in mixed.profile["notes"])
    second = ingest(data, "table", channel=2, cache=cache)
    assert loudest(second) == {"a": 900, "b": 800}
    third = ingest(data, "table", channel=3, cache=cache)
    assert third.profile["rejects"]["audio is without that channel"] == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", None], [1, 2, None]),
        (["0", "1"], [1, 2]),
        (["Left", "R", ""], [1, 2, None]),
        (["1.0", "2.0"], [1, 2]),
        (["phone", "web"], None),
        (["1", "YouTube"], None),
    ],
)
def test_channels(values: list[str | None], expected: list[int | None] | None) -> None:
    channels = read_channels(pl.Series(values, dtype=pl.String))
    assert (None if channels is None else channels.to_list()) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "start", "end"], SegmentColumns("start", "end", None)),
        (["StartTime", "EndTime", "Duration"], SegmentColumns("StartTime", "EndTime", "Duration")),
        (["duration"], SegmentColumns()),
        (["end", "duration"], SegmentColumns()),
        (["start"], SegmentColumns()),
        (["offset", "onset"], SegmentColumns("onset", "offset", None)),
        (["started_at", "finished_by"], SegmentColumns()),
    ],
)
def test_columns_are_found_by_their_names(columns: list[str], expected: SegmentColumns) -> None:
    assert find_segment_columns(columns, SegmentColumns(), []) == expected


def test_an_end_that_contradicts_the_duration_is_a_reject(root: Path) -> None:
    rows = ["a,call.wav,0,1,1", "b,call.wav,1,2,1.05", "c,call.wav,2,2.9,0.3", "d,call.wav,2,3,"]
    write(root, "utterance_id,audio,start,end,duration", rows, VOTES)
    corpus = ingested(root)
    assert corpus.utterances.frame["utterance_id"].to_list() == ["a", "b", "d"]
    (reject,) = corpus.rejects.filter(reason="unreadable segment").to_dicts()
    assert reject["utterance_id"] == "c"
    assert reject["detail"] == "0.9 s from start to end, but a duration of 0.3 s"


def test_a_duration_of_the_whole_recording_contradicts_nothing(root: Path) -> None:
    rows = ["a,call.wav,0,1,3", "b,call.wav,1,2,3", "c,call.wav,2,3,3", "d,single.wav,0,0.5,0.5"]
    write(root, "utterance_id,audio,start,end,duration", rows, VOTES)
    corpus = ingested(root)
    assert corpus.utterances.frame["utterance_id"].to_list() == ["a", "b", "c", "d"]
    (note,) = (each for each in corpus.profile["notes"] if "duration" in each)
    assert note.startswith(
        "column 'duration' is not read, because 3 of 4 rows contradict it, such as 1 s from start to end, but a duration of 3 s"
    )
    corpus = ingested(root, duration="duration")
    assert corpus.rejects.filter(reason="unreadable segment")["utterance_id"].to_list() == ["a", "b", "c"]


def test_one_channel_for_all_does_not_replace_those_of_the_table(root: Path) -> None:
    write_wav(root / "call.wav", np.stack([tone(1.0, hz=200), tone(1.0, hz=400)], axis=1))
    rows = ["a,call.wav,1", "b,call.wav,2", "c,single.wav,"]
    write(root, "utterance_id,audio,channel", rows, VOTES[:3])
    with pytest.raises(
        UserError, match="--channel 1: the corpus itself names the channel of 1 utterance otherwise"
    ):
        ingest(load(root), "table", channel=1, cache=root.parent / "cache.sqlite")
    write(root, "utterance_id,audio,channel", ["a,call.wav,2", "b,call.wav,", "c,single.wav,"], VOTES[:3])
    with pytest.raises(UserError, match="such as 2 for 'a'; leave --channel out"):
        ingest(load(root), "table", channel=1, cache=root.parent / "cache.sqlite")
