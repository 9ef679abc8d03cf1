"""What lhotse would do to the audio of a manifest: resampling is accepted, anything else is a reject that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.corpora import lhotse as corpus
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import ingest
from tests.support.wav_files import tone, write_wav

# A recording of lhotse's to a recording of lhotse's, and what is not applied.
CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda recording: recording, ""),
    "up": (lambda recording: recording.resample(24_000), ""),
    "down": (lambda recording: recording.resample(8_000), ""),
    "twice": (lambda recording: recording.resample(8_000).resample(16_000), ""),
    "speed": (lambda recording: recording.perturb_speed(0.9), "Speed"),
    "tempo": (lambda recording: recording.perturb_tempo(1.1), "Tempo"),
    "volume": (lambda recording: recording.perturb_volume(2.0), "Volume"),
    "reverb": (lambda recording: recording.reverb_rir(), "ReverbWithImpulseResponse"),
    "loudness": (lambda recording: recording.normalize_loudness(-20.0), "LoudnessNormalization"),
    "clipping": (lambda recording: recording.clip_amplitude(), "Clipping"),
    "codec": (lambda recording: recording.compress("opus", 0.5), "Compress"),
    "both": (lambda recording: recording.resample(8_000).perturb_speed(1.1), "Speed"),
    "several": (lambda recording: recording.perturb_volume(2.0).perturb_tempo(1.1), "Volume, Tempo"),
}


def _recording(
    folder: Path, name: str, change: Callable[[Any], Any] = lambda recording: recording
) -> dict[str, Any]:
    from lhotse import Recording

    path = write_wav(folder / f"{name}.wav", tone(2.0))
    described: dict[str, Any] = change(Recording.from_file(path, recording_id=name)).to_dict()
    return {**described, "id": name}


def _write(folder: Path, recordings: list[dict[str, Any]], supervised: int | None = None) -> None:
    supervisions = [
        {"id": f"u{each['id']}", "recording_id": each["id"], "start": 0.5, "duration": 1.0, "speaker": each["id"],
         "custom": {"votes": ["anger", "joy"]}}
        for each in recordings[:supervised]
    ]  # fmt: skip
    for kind, rows in (("recordings", recordings), ("supervisions", supervisions)):
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("name", CHANGES)
def test_transforms_of_lhotse(tmp_path: Path, name: str) -> None:
    change, unapplied = CHANGES[name]
    _write(tmp_path, [_recording(tmp_path, "a", change), _recording(tmp_path, "b")])
    loaded = corpus.load(tmp_path)
    assert loaded.utterances["utterance_id"].to_list() == ["ub"] if unapplied else ["ua", "ub"]
    assert loaded.rejects["reason"].to_list() == ["recording with transforms"] * bool(unapplied)
    if unapplied:
        assert loaded.rejects["detail"][0].startswith(f"{unapplied} of a not applied; save the audio")
        assert loaded.rejects["line"].to_list() == [1]
        assert set(loaded.votes["utterance_id"]) == {"ub"}
    else:  # offsets stay in seconds, whatever the rate
        utterances = ingest(loaded, "x", cache=tmp_path / "c.sqlite").utterances.frame
        assert (
            utterances.select("start_seconds", "end_seconds", "duration_seconds").rows()
            == [(0.5, 1.5, 1.0)] * 2
        )


@pytest.mark.parametrize(
    ("transforms", "unapplied"),
    [
        ([], None),
        (None, None),
        (["Speed"], "Speed"),
        ([{"kwargs": {}}], "{'kwargs': {}}"),
        ([{"name": None}], "None"),
        ([7], "7"),
        (["a\nb"], "a b"),
    ],
)
def test_transforms_of_other_forms(tmp_path: Path, transforms: Any, unapplied: str | None) -> None:
    _write(tmp_path, [{**_recording(tmp_path, "a"), "transforms": transforms}])
    rejects = corpus.load(tmp_path, labels=("joy",)).rejects["detail"].to_list()
    assert [detail.split(" of a ")[0] for detail in rejects] == ([] if unapplied is None else [unapplied])


def test_a_corpus_of_changed_recordings_is_one_line(tmp_path: Path) -> None:
    change, _ = CHANGES["speed"]
    _write(tmp_path, [_recording(tmp_path, name, change) for name in ("a", "b", "c")])
    with pytest.raises(
        UserError, match=r"recording with transforms 3; for example .*Speed of a not applied"
    ) as caught:
        ingest(corpus.load(tmp_path), "x", cache=tmp_path / "c.sqlite")
    assert "\n" not in str(caught.value)


def test_recordings_without_a_supervision_are_counted(tmp_path: Path) -> None:
    recordings = [_recording(tmp_path, name) for name in ("a", "b", "c")]
    _write(tmp_path, recordings)
    assert corpus.load(tmp_path).notes == ()
    _write(tmp_path, recordings, supervised=1)
    (note,) = corpus.load(tmp_path).notes
    assert note.startswith("2 recordings have no supervision and no votes, the first is b;")


def test_cuts_are_named(tmp_path: Path) -> None:
    (tmp_path / "cuts.jsonl.gz").touch()
    with pytest.raises(UserError, match="cuts are not read: lhotse cut decompose"):
        corpus.load(tmp_path)
