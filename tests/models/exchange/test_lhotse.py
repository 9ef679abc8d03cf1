"""lhotse: its own classes load what is written, and hear the same; its manifests are read as a corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ambivox.models.audio.clips import Clip
from ambivox.models.corpora import lhotse as corpus
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables, lhotse
from ambivox.models.ingestion.ingest import ingest
from ambivox.models.ingestion.rejected_rows import IngestError
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.wav_files import tone, write_wav

LABELS = ("neutral", "anger", "joy")


@pytest.fixture
def tables(tmp_path: Path) -> LinkedTables:
    """A mono recording as a whole, two segments of a stereo one, and one that is not at hand."""
    write_wav(tmp_path / "audio/mono.wav", tone(1.0))
    stereo = np.stack([tone(3.0, hz=200), tone(3.0, hz=400)], axis=1)
    write_wav(tmp_path / "audio/stereo.wav", stereo)
    clips = [
        ("whole", Clip(str(tmp_path / "audio/mono.wav")), 1.0),
        ("left", Clip(str(tmp_path / "audio/stereo.wav"), 0.5, 1.25, 1), 0.75),
        ("both", Clip(str(tmp_path / "audio/stereo.wav"), 2.0), 1.0),
        ("away", Clip("s3://bucket/x.wav", 1.5, 2.0), 0.5),
    ]
    rows = [
        {
            "utterance_id": name,
            "corpus": "x",
            "audio": clip.audio,
            "audio_sha256": _sha256(clip),
            "duration_seconds": seconds,
            "sample_rate_hz": 16_000,
            "split": "test" if name == "away" else "train",
            "transcript": None if name == "both" else f"<{name}>",
            "speaker": "s1",
            "sex": "female",
            "age": 33.0,
            "start_seconds": clip.start_seconds,
            "end_seconds": clip.end_seconds,
            "channel": clip.channel,
        }
        for name, clip, seconds in clips
    ]
    votes = [
        ("whole", "r1", "human", "anger", 1.0),
        ("whole", "r2", "human", "anger", 0.5),
        ("whole", "r2", "human", "joy", 0.5),
        ("left", "r1", "human", "joy", 1.0),
    ]
    p_NK = np.array([[0.25, 0.5, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    return LinkedTables.of(
        Utterances.check(pl.DataFrame(rows, infer_schema_length=None), LABELS),
        Votes.check(pl.DataFrame(votes, list(Votes.required), orient="row"), LABELS),
        Distributions.of(pl.Series(["left", "whole"]), "pooled", p_NK, LABELS),
    )


def _sha256(clip: Clip) -> str:
    path = Path(clip.audio)
    return clip.sha256(hashlib.sha256(path.read_bytes()).hexdigest()) if path.is_file() else "0" * 64


def test_lhotse_s_own_classes(tables: LinkedTables, tmp_path: Path) -> None:
    from lhotse import CutSet, RecordingSet, SupervisionSet, validate

    (out := tmp_path / "out").mkdir()
    lhotse.write(tables, out)
    recordings = RecordingSet.from_file(out / "recordings.jsonl")
    supervisions = SupervisionSet.from_file(out / "supervisions.jsonl")
    for recording in recordings:
        if "://" not in recording.sources[0].source:
            validate(recording, read_data=True)
    for supervision in supervisions:
        validate(supervision)
    assert {recording.num_channels for recording in recordings} == {1, 2}
    by_id = {supervision.id: supervision for supervision in supervisions}
    assert by_id["left"].channel == 0
    assert by_id["both"].channel == [0, 1]
    assert (by_id["whole"].speaker, by_id["whole"].gender, by_id["whole"].text) == ("s1", "female", "<whole>")
    assert by_id["whole"].custom["distribution"] == {"neutral": 1 / 3, "anger": 1 / 3, "joy": 1 / 3}
    assert [vote["label"] for vote in by_id["whole"].custom["votes"]] == ["anger", "anger", "joy"]
    cuts = CutSet.from_manifests(recordings=recordings, supervisions=supervisions).trim_to_supervisions()
    heard = {cut.supervisions[0].id: cut.load_audio() for cut in cuts if cut.supervisions[0].id != "away"}
    assert heard["left"].shape == (1, 12_000)
    assert heard["whole"].shape == (1, 16_000)
    np.testing.assert_allclose(heard["left"][0], tone(3.0, hz=200)[8_000:20_000], atol=1e-4)
    # What lhotse writes is read as what was exported.
    (again := tmp_path / "again").mkdir()
    recordings.to_file(again / "recordings.jsonl.gz")
    supervisions.to_file(again / "supervisions.jsonl.gz")
    (again / "labels.json").write_bytes((out / "labels.json").read_bytes())
    back = lhotse.read(again)
    assert back.utterances.frame.equals(tables.utterances.frame)
    assert back.votes.frame.equals(tables.votes.frame)
    assert back.distributions is not None
    assert tables.distributions is not None
    assert back.distributions.frame.equals(tables.distributions.frame)


def test_an_export_is_a_corpus(tables: LinkedTables, tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    lhotse.write(tables, out)
    data = corpus.load(out)
    assert data.labels == LABELS
    local = data.utterances.filter(~pl.col("audio").str.contains("://"))
    ingested = ingest(
        type(data)(data.labels, local, data.votes, data.licence), "x", cache=tmp_path / "cache.sqlite"
    )
    columns = ["utterance_id", "audio_sha256", "duration_seconds", "transcript", "speaker", "sex"]
    columns += ["start_seconds", "channel"]
    expected = tables.utterances.frame.filter(pl.col("utterance_id") != "away").select(columns)
    # Of "both", the export says where it ends; that it is the recording's end is known again.
    same = ingested.utterances.frame.select(columns)
    assert same.drop("audio_sha256").equals(expected.drop("audio_sha256"))
    assert same["audio_sha256"][1:].to_list() == expected["audio_sha256"][1:].to_list()
    assert ingested.votes.frame.equals(tables.votes.frame)


def manifest(
    folder: Path, votes: Any, change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None
) -> Path:
    recording = {
        "id": "r",
        "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
        "sampling_rate": 16_000,
        "num_samples": 16_000,
        "duration": 1.0,
    }
    supervision = {"id": "u", "recording_id": "r", "start": 0.0, "duration": 1.0, "gender": "F"}
    supervision["custom"] = {"votes": votes} if votes is not None else {}
    if change:
        change(recording, supervision)
    write_wav(folder / "a.wav", tone(1.0))
    (folder / "x_recordings_dev.jsonl").write_text(json.dumps(recording))
    (folder / "x_supervisions_dev.jsonl").write_text(json.dumps(supervision) + "\n")
    return folder


VOTES = {
    "objects": ([{"annotator_id": "a", "label": "joy"}, {"annotator_id": 7, "label": "anger"}], [("a", "joy"), ("7", "anger")]),
    "by annotator": ({"a": "joy", "b": ["joy", "anger"]}, [("a", "joy"), ("b", "joy"), ("b", "anger")]),
    "labels": (["joy", "joy"], [("u#1", "joy"), ("u#2", "joy")]),
    "no names": ([{"label": "joy", "annotator_id": None}], [("u#1", "joy")]),
}  # fmt: skip


@pytest.mark.parametrize(("votes", "expected"), VOTES.values(), ids=VOTES)
def test_votes_of_others(tmp_path: Path, votes: Any, expected: list[tuple[str, str]]) -> None:
    data = corpus.load(manifest(tmp_path, votes))
    assert data.votes.select("annotator_id", "label").rows() == expected
    assert data.labels == tuple(sorted({label for _, label in expected}))
    (row,) = data.utterances.to_dicts()
    assert (row["split"], row["sex"], row["start_seconds"], row["channel"]) == (
        "development",
        "female",
        None,
        None,
    )
    assert row["audio"] == str(tmp_path / "a.wav")
    assert not data.rejects.height


@pytest.mark.parametrize("votes", [3, "joy", [3], [{"label": 3}], {"a": 3}, {"a": [None]}])
def test_votes_that_cannot_be_read(tmp_path: Path, votes: Any) -> None:
    data = corpus.load(manifest(tmp_path, votes), labels=("joy", "anger"))
    assert data.votes.height == 0
    assert data.rejects["reason"].to_list() == ["unreadable votes"]
    assert data.rejects["line"].to_list() == [1]
    with pytest.raises(IngestError, match="rejected: unreadable votes 1; for example") as caught:
        corpus.load(tmp_path)
    assert caught.value.rejects.equals(data.rejects)


def test_no_votes_is_one_line_that_names_the_fields_there_are(tmp_path: Path) -> None:
    manifest(tmp_path, None, lambda _, supervision: supervision.update(custom={"mood": ["joy"], "snr": 3}))
    with pytest.raises(
        UserError, match=r"no supervision has votes .* 'votes'; they have 'mood', 'snr'; name"
    ):
        corpus.load(tmp_path)
    assert corpus.load(tmp_path, votes="mood").votes["label"].to_list() == ["joy"]
    data = corpus.load(tmp_path, labels=("joy",))
    assert data.votes.height == 0
    assert data.notes == (
        "no supervision has votes in its custom field 'votes'; they have 'mood', 'snr'; name the field with --options.votes "
        "FIELD",
    )


def test_a_command_is_never_run(tmp_path: Path) -> None:
    def change(recording: dict[str, Any], _: dict[str, Any]) -> None:
        recording["sources"] = [{"type": "command", "channels": [0], "source": f"touch {tmp_path}/ran"}]

    data = corpus.load(manifest(tmp_path, ["joy"], change), labels=("joy",))
    assert data.rejects.select("reason", "detail").rows() == [("recording is no single file", "command")]
    assert not (tmp_path / "ran").exists()

    def unknown(_: dict[str, Any], supervision: dict[str, Any]) -> None:
        supervision["recording_id"] = "z"

    data = corpus.load(manifest(tmp_path, ["joy"], unknown), labels=("joy",))
    assert data.rejects["reason"].to_list() == ["supervision of an unknown recording"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x_recordings_dev.jsonl", "{", r"x_recordings_dev\.jsonl:1: expected a recording"),
        ("x_supervisions_dev.jsonl", '\n{"id": 3}', r"x_supervisions_dev\.jsonl:2: expected a supervision"),
        ("x_supervisions_dev.jsonl.gz", "not gzip", "cannot be read"),
        ("x_supervisions_dev.jsonl", None, "no manifest of supervisions here"),
    ],
)
def test_other_files(tmp_path: Path, name: str, content: str | None, words: str) -> None:
    manifest(tmp_path, ["joy"])
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words) as error:
        corpus.load(tmp_path)
    assert "\n" not in str(error.value)
