"""The step augment on audio files: parents, output files, equal bytes, rejected recordings."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ambivox.models.audio.decoding import decode
from ambivox.models.augmentation import mixed_samples
from ambivox.models.augmentation.augment import augment as augment_tables
from ambivox.models.augmentation.dime_aug import DimeAugSettings
from ambivox.models.errors import UserError
from ambivox.models.tables import Distributions, Utterances
from tests.support.steps import augment

LABELS = ("anger", "neutral", "sadness")
RATE_HZ = 16_000


def write_corpus(folder: Path, rate_hz: int = RATE_HZ) -> tuple[Path, Path]:
    """Twenty-four short recordings of noise in three splits, most labelled angry: paths of utterances and distributions."""
    random = np.random.default_rng(0)
    rows, p_NK = [], []
    for number in range(24):
        label = 0 if number % 6 < 4 else number % 6 - 3
        wave = (0.2 * random.standard_normal(int(random.uniform(0.2, 0.5) * rate_hz))).astype(np.float32)
        file = folder / f"{number:02d}.wav"
        soundfile.write(file, wave, rate_hz)
        rows.append(
            {
                "utterance_id": f"u{number:02d}",
                "corpus": "noise",
                "audio": str(file),
                "audio_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "duration_seconds": len(wave) / rate_hz,
                "sample_rate_hz": rate_hz,
                "split": ("train", "train", "development", "test")[number // 6],
                "transcript": f"sentence number {number}",
            }
        )
        p_NK.append(np.eye(3)[label] * 0.7 + 0.1)
    utterances = Utterances.check(pl.DataFrame(rows), LABELS)
    ids = utterances.frame["utterance_id"]
    table = Distributions.of(ids, "pooled", np.stack(p_NK), LABELS, 3.0, np.arange(24.0))
    return utterances.write(folder / "utterances.parquet"), table.write(folder / "distributions.parquet")


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Path]:
    """Utterances and distributions on disk."""
    return write_corpus(tmp_path)


def run(corpus: tuple[Path, Path], out: Path, **options) -> Path:
    """Run the step; every class is filled up to the largest."""
    options = {"ratio": 1.0, "cache": out.parent / "cache"} | options
    return augment(utterances=corpus[0], distributions=corpus[1], out=out, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file of a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("classes", ["dominant", "mass"])
def test_no_parent_is_of_development_or_test(corpus, tmp_path, classes) -> None:
    train = set(Utterances.read(corpus[0]).in_splits("train").frame["utterance_id"])

    @settings(max_examples=3)
    @given(seed=st.integers(0, 999))
    def holds(seed: int) -> None:
        samples = mixed_samples.read(run(corpus, tmp_path / "out", classes=classes, seed=seed))[0].frame
        assert samples.height >= 8
        assert set(samples["parent_first"]) | set(samples["parent_second"]) <= train
        assert set(samples["split"]) == {"train"}

    holds()


def test_no_recording_of_development_or_test_is_opened(corpus, tmp_path) -> None:
    for row in Utterances.read(corpus[0]).in_splits("development", "test").frame.iter_rows(named=True):
        Path(row["audio"]).unlink()
    assert len(mixed_samples.read(run(corpus, tmp_path / "out"))[0]) == 12


def test_stored_audio_is_the_formula_and_mixing_on_the_fly_gives_the_same_bits(corpus, tmp_path) -> None:
    parents = Utterances.read(corpus[0])
    audio = dict(parents.frame.select("utterance_id", "audio").iter_rows())
    stored = run(corpus, tmp_path / "stored")
    on_the_fly = run(corpus, tmp_path / "on-the-fly", audio="on-the-fly")
    assert not list(on_the_fly.glob("*.tar"))
    samples, distributions = mixed_samples.read(stored)
    stored_audio = dict(mixed_samples.waveforms(samples, parents, stored))
    mixed_audio = dict(mixed_samples.waveforms(mixed_samples.read(on_the_fly)[0], parents, on_the_fly))
    for row in samples.frame.iter_rows(named=True):
        first, second = decode(audio[row["parent_first"]]), decode(audio[row["parent_second"]])
        length = min(len(first), len(second))
        expected = first[:length] + row["mixing_weight"] * (second[:length] - first[:length])
        sample_audio = stored_audio[row["utterance_id"]]
        np.testing.assert_allclose(sample_audio, expected, atol=1 / 32768)
        np.testing.assert_array_equal(sample_audio, mixed_audio[row["utterance_id"]])
        assert row["duration_seconds"] == pytest.approx(length / RATE_HZ)
        transcript_of = row["parent_first"] if row["mixing_weight"] < 0.5 else row["parent_second"]
        assert row["transcript"] == f"sentence number {int(transcript_of[1:])}"
        assert row["transcript_of"] == transcript_of
        assert 1 <= row["neighbour_rank"] <= 3
    assert distributions.frame["utterance_id"].to_list() == samples.frame["utterance_id"].to_list()
    assert set(distributions.frame["source"]) == {"pooled"}
    assert (distributions.frame["human_votes"] == 3.0).all()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(corpus, tmp_path) -> None:
    first = contents(run(corpus, tmp_path / "first", seed=4))
    assert contents(run(corpus, tmp_path / "repeated", seed=4)) == first
    other = contents(run(corpus, tmp_path / "other", seed=5))
    assert other["audio-00000.tar"] != first["audio-00000.tar"]


def test_shards_are_plain_tar_with_plain_flac(corpus, tmp_path) -> None:
    out = run(corpus, tmp_path / "out")
    with tarfile.open(out / "audio-00000.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [f"mixed-{n:06d}.flac" for n in range(12)]
        with soundfile.SoundFile(tar.extractfile(members[0])) as sound:
            assert (sound.samplerate, sound.channels, sound.subtype, sound.format) == (
                RATE_HZ,
                1,
                "PCM_16",
                "FLAC",
            )


def test_other_sample_rates_are_mixed_at_16_khz(tmp_path) -> None:
    out = run(write_corpus(tmp_path, rate_hz=44_100), tmp_path / "out")
    assert set(mixed_samples.read(out)[0].frame["sample_rate_hz"]) == {RATE_HZ}


def test_an_unreadable_recording_stops_by_name_or_is_rejected_and_counted(corpus, tmp_path) -> None:
    utterances = Utterances.read(corpus[0])
    Path(utterances.frame["audio"][4]).unlink()
    with pytest.raises(UserError, match="u04"):
        run(corpus, tmp_path / "out", on_error="stop")
    out = run(corpus, tmp_path / "out", on_error="reject")
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects["utterance_id"].to_list() == ["u04"]
    assert "04.wav" in rejects["reason"][0]
    assert json.loads((out / "augmentation.json").read_text())["rejects"] == 1
    samples = mixed_samples.read(out)[0].frame
    assert "u04" not in {*samples["parent_first"], *samples["parent_second"]}


def test_by_default_an_unreadable_recording_is_rejected(corpus, tmp_path) -> None:
    utterances, distributions = Utterances.read(corpus[0]), Distributions.read(corpus[1])
    Path(utterances.frame["audio"][4]).unlink()
    (tmp_path / "out").mkdir()
    summary = augment_tables(utterances, distributions, DimeAugSettings(ratio=1.0), tmp_path / "out")
    assert (summary["rejects"], summary["training_utterances"]) == (1, 11)
    assert pl.read_parquet(tmp_path / "out" / "rejects.parquet")["utterance_id"].to_list() == ["u04"]


def test_features_are_computed_once(corpus, tmp_path, monkeypatch) -> None:
    run(corpus, tmp_path / "one")
    monkeypatch.setattr(
        "ambivox.models.augmentation.feature_cache.decode_or_error",
        lambda *_: pytest.fail("decoded for features again"),
    )
    assert contents(run(corpus, tmp_path / "two")) == contents(tmp_path / "one")


def test_the_summary_counts_before_and_after(corpus, tmp_path) -> None:
    summary = json.loads((run(corpus, tmp_path / "out") / "augmentation.json").read_text())
    assert summary["before"] == {"anger": 8.0, "neutral": 2.0, "sadness": 2.0}
    assert summary["after"] == {"anger": 8.0, "neutral": 8.0, "sadness": 8.0}
    assert (summary["samples"], summary["unfilled"]) == (12, [])
    assert (tmp_path / "out" / "balance.svg").read_text().startswith("<?xml")


def test_a_corpus_without_training_utterances_is_an_error(corpus, tmp_path) -> None:
    utterances = Utterances.read(corpus[0])
    table = Utterances.check(utterances.frame.with_columns(split=pl.lit("test")), LABELS).write(
        tmp_path / "u.parquet"
    )
    with pytest.raises(UserError, match="split train"):
        augment(utterances=table, distributions=corpus[1], out=tmp_path / "out")


def test_without_small_classes_nothing_is_mixed_and_a_message_says_so(corpus, tmp_path, capsys) -> None:
    # Two of the smaller classes against a fifth of the eight angry ones.
    assert len(mixed_samples.read(run(corpus, tmp_path / "out", ratio=0.2))[0]) == 0
    assert "no class lies below 20% of the largest: there is nothing to fill" in capsys.readouterr().out
