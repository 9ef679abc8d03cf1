"""Audio of all formats, files that cannot be used, and clips longer than the ALM accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.engines.fake import FakeEngine
from ambivox.models.errors import UserError
from ambivox.models.tables import Utterances
from tests.support.annotation_fixtures import LABELS, RATE_HZ, utterance_row, write_clip
from tests.support.annotation_runs import ALL_SPLITS, read_annotations, read_checks


@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("mp3", None), ("ogg", "OPUS")]
)
def test_every_format_rate_and_channel_count_is_read(tmp_path, run_annotate, suffix, subtype, rate_hz):
    if subtype == "OPUS":
        rate_hz = {8_000: 8_000, 44_100: 48_000}[rate_hz]
    path = tmp_path / f"clip.{suffix}"
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(rate_hz) / rate_hz)
    soundfile.write(path, np.stack([tone, tone / 2], axis=1), rate_hz, subtype=subtype)
    utterances = Utterances.check(pl.DataFrame([utterance_row(path, 1)]), LABELS).write(
        tmp_path / "u.parquet"
    )
    assert len(read_annotations(run_annotate(utterances))) == 4


def hostile(folder: Path) -> dict[str, Path]:
    """Files that cannot be used, by the expected reason."""
    folder.mkdir()
    tone = np.sin(np.arange(RATE_HZ) / 20).astype(np.float32)
    paths = {name: folder / f"{name}.wav" for name in ("corrupt", "empty", "not finite", "too short", "cut")}
    paths["corrupt"].write_bytes(b"RIFF" + bytes(range(200)))
    paths["empty"].write_bytes(b"")
    soundfile.write(paths["not finite"], np.full(RATE_HZ, np.nan, dtype=np.float32), RATE_HZ, subtype="FLOAT")
    soundfile.write(paths["too short"], tone[:1], RATE_HZ)
    soundfile.write(paths["cut"], tone, RATE_HZ)
    paths["cut"].write_bytes(paths["cut"].read_bytes()[:5000])
    return paths | {"missing": folder / "no 'such'\nfile\".wav"}


def test_unusable_audio_is_rejected_with_the_reason(tmp_path, run_annotate):
    paths = hostile(tmp_path / "hostile")
    odd = tmp_path / 'o\'dd "name"\n..' / "a.wav"
    odd.parent.mkdir()
    write_clip(odd, 1)
    rows = [utterance_row(path, number) for number, path in enumerate([odd, *paths.values()])]
    utterances = Utterances.check(pl.DataFrame(rows), LABELS).write(tmp_path / "u.parquet")
    out = run_annotate(utterances, splits=ALL_SPLITS)
    assert read_annotations(out).frame["utterance_id"].unique().to_list() == ["u0000"]
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects["reason"].to_list() == [
        "corrupt",
        "empty",
        "not finite",
        "too short",
        "corrupt",
        "missing",
    ]
    assert rejects["file"].to_list() == [str(path) for path in paths.values()]
    assert read_checks(out)["rejected"] == 6
    with pytest.raises(UserError, match="--on-error reject"):
        run_annotate(utterances, "strict", splits=ALL_SPLITS, on_error="stop")
    assert not (tmp_path / "strict").exists()


def test_long_clips_are_cut_into_windows_or_rejected(tmp_path, run_annotate, monkeypatch):
    path = tmp_path / "long.wav"
    write_clip(path, 1, seconds=70)
    utterances = Utterances.check(pl.DataFrame([utterance_row(path, 1)]), LABELS).write(
        tmp_path / "u.parquet"
    )
    scored: list[tuple[str, int]] = []
    score = FakeEngine.score

    def record(self, requests):
        requests = list(requests)
        scored.extend(
            (request.audio_name, len(request.audio)) for request in requests if request.audio is not None
        )
        return score(self, requests)

    monkeypatch.setattr(FakeEngine, "score", record)
    out = run_annotate(utterances, modality="audio")
    lengths = dict(scored)
    assert (
        len(lengths) == 3 and sum(lengths.values()) == 70 * RATE_HZ and max(lengths.values()) <= 30 * RATE_HZ
    )
    frame = read_annotations(out).frame
    assert frame.height == 4
    stored = pl.concat([pl.read_parquet(f) for f in (tmp_path / "store").rglob("*.parquet")])
    assert set(stored.filter(pl.col("key").is_not_null())["windows"]) >= {3}
    out = run_annotate(utterances, "rejected", on_long="error", store=str(tmp_path / "other"))
    assert len(read_annotations(out)) == 0
    assert pl.read_parquet(out / "rejects.parquet")["reason"].to_list() == ["too long"]


@pytest.mark.parametrize("elicitation", ["exact", "sampled"])
@pytest.mark.parametrize("on_error", ["reject", "stop"])
def test_a_run_that_does_not_cut_clips_does_not_use_answers_of_one_that_did(
    tmp_path, run_annotate, elicitation, on_error
):
    for number, seconds in ((1, 70.0), (2, 1.0)):
        write_clip(tmp_path / f"{number}.wav", number, seconds)
    rows = [
        utterance_row(tmp_path / f"{number}.wav", number, seconds)
        for number, seconds in ((1, 70.0), (2, 1.0))
    ]
    utterances = Utterances.check(pl.DataFrame(rows), LABELS).write(tmp_path / "u.parquet")
    options = {"splits": ALL_SPLITS, "elicitation": elicitation, "drawn_votes": 4}
    cut = run_annotate(utterances, "cut", **options)
    assert read_annotations(cut).frame["utterance_id"].n_unique() == 2
    if on_error == "stop":
        with pytest.raises(UserError, match=r"70\.0 s, this ALM accepts at most 30 s"):
            run_annotate(utterances, "whole", on_long="error", on_error="stop", **options)
        return
    whole = run_annotate(utterances, "whole", on_long="error", **options)
    assert read_annotations(whole).frame["utterance_id"].unique().to_list() == ["u0002"]
    rejects = pl.read_parquet(whole / "rejects.parquet")
    assert rejects.select("utterance_id", "reason").rows() == [("u0001", "too long")]


def test_audio_that_changed_since_ingest_is_rejected(tmp_path, run_annotate, make_utterances):
    utterances = make_utterances(2)
    changed = Utterances.read(utterances).frame["audio"][1]
    write_clip(Path(changed), 7)
    out = run_annotate(utterances, splits=ALL_SPLITS)
    assert read_annotations(out).frame["utterance_id"].unique().to_list() == ["u0000"]
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects["reason"].to_list() == ["changed"]
    assert "ingest the corpus again" in rejects["detail"][0]
