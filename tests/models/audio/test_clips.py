"""Segments of one recording are for every reader what recordings of their own are: bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.alm_backbones.audio_states import file_loader
from ambivox.models.alms import resolve
from ambivox.models.annotation.elicitation import plan_questions
from ambivox.models.annotation.item_requests import ItemRequests
from ambivox.models.annotation.work_items import plan_items
from ambivox.models.audio.clips import CLIP_COLUMNS, Clip, clips
from ambivox.models.audio.probing import probe
from ambivox.models.augmentation import mixed_samples
from ambivox.models.augmentation.dime_aug import DimeAugSettings, plan
from ambivox.models.augmentation.feature_cache import cached_acoustic_features
from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms
from ambivox.models.prompting.personas import load_personas
from ambivox.models.tables import Utterances

LABELS = ("anger", "joy")


def with_columns(frame: pl.DataFrame, cache: Path) -> Utterances:
    """The table of utterances that ingest would make."""
    probed = probe(clips(frame), cache)
    frame = frame.with_columns(probed.select("audio_sha256", "duration_seconds", "sample_rate_hz"))
    split = frame.with_columns(corpus=pl.lit("test"), split=pl.lit("train"), speaker=pl.lit("s"))
    return Utterances.check(split, LABELS)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Utterances, Utterances]:
    """Nine recordings, and the same as segments of one recording, on the right channel."""
    random = np.random.default_rng(0)
    parts = [random.normal(scale=0.1, size=random.integers(6000, 9000)) for _ in range(9)]
    ids = [f"u{number}" for number in range(9)]
    own = []
    for name, part in zip(ids, parts, strict=True):
        soundfile.write(tmp_path / f"{name}.wav", part, 16_000, subtype="PCM_16")
        own.append(str(tmp_path / f"{name}.wav"))
    joined = np.concatenate(parts)
    stereo = np.stack([random.normal(scale=0.1, size=len(joined)), joined], axis=1)
    soundfile.write(tmp_path / "call.wav", stereo, 16_000, subtype="PCM_16")
    ends = np.cumsum([len(part) for part in parts]) / 16_000
    shared = {
        "audio": [str(tmp_path / "call.wav")] * 9,
        "start_seconds": [0.0, *ends[:-1].tolist()],
        "end_seconds": ends.tolist(),
        "channel": [2] * 9,
    }
    cache = tmp_path / "audio.sqlite"
    return (
        with_columns(pl.DataFrame({"utterance_id": ids, "audio": own}), cache),
        with_columns(pl.DataFrame({"utterance_id": ids, **shared}), cache),
    )


def features(utterances: Utterances) -> list[np.ndarray]:
    """DiME-Aug's features."""
    features_NF, errors = cached_acoustic_features(utterances, None)
    assert not errors
    return list(features_NF)


def spectrograms(utterances: Utterances) -> list[np.ndarray]:
    """The embedded ALM's spectrograms."""
    mels = log_mel_spectrograms(clips(utterances.frame), 80)
    return [mels[index] for index in range(len(mels))]


def states_input(utterances: Utterances) -> list[np.ndarray]:
    """What the audio tower of an ALM is given in fine-tuning."""
    keys = utterances.frame["audio_sha256"].to_list()
    loaded = file_loader(dict(zip(keys, clips(utterances.frame), strict=True)))(keys)
    return [recording for _, recording in loaded if isinstance(recording, np.ndarray)]


def mixtures(utterances: Utterances) -> list[np.ndarray]:
    """DiME-Aug's new audio."""
    p_NK = np.tile([[0.9, 0.1]], (9, 1))
    p_NK[-3:] = [0.2, 0.8]
    features_NF = np.random.default_rng(1).normal(size=(9, 3))
    lineage = plan(features_NF, p_NK, DimeAugSettings(ratio=1.0))
    samples = mixed_samples.sample_table(utterances, lineage, match_loudness=False)
    return [audio for _, audio, _ in mixed_samples.mixtures(samples, utterances)]


def requests(utterances: Utterances) -> list[np.ndarray]:
    """What an ALM is given to annotate."""
    questions = plan_questions(
        LABELS, load_personas(("tone",)), elicitation="exact", orders=1, modality="audio", votes=0, seed=0
    )
    items = plan_items(utterances, questions)
    shard = ItemRequests(items, questions, resolve("qwen2_audio"), "window", lambda _: None)
    asked = shard.requests(np.arange(items.height))
    return [request.audio for _, _, request in asked if request.audio is not None]


@pytest.mark.parametrize("reader", [features, spectrograms, states_input, mixtures, requests])
def test_every_reader_hears_the_segment(
    tables: tuple[Utterances, Utterances], reader: Callable[[Utterances], list[np.ndarray]]
) -> None:
    own, shared = (reader(utterances) for utterances in tables)
    assert len(own) == len(shared) >= 3
    for first, second in zip(own, shared, strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_hash_is_of_what_is_heard(tables: tuple[Utterances, Utterances]) -> None:
    own, shared = (utterances.frame for utterances in tables)
    assert own["audio_sha256"].n_unique() == shared["audio_sha256"].n_unique() == 9
    assert own["duration_seconds"].to_list() == pytest.approx(shared["duration_seconds"].to_list())


def test_clips_are_named_in_messages() -> None:
    assert str(Clip("a.wav")) == "a.wav"
    assert str(Clip("a.wav", 1.5, 2.25)) == "a.wav [1.5-2.25 s]"
    assert str(Clip("a.wav", 1.5, None, 2)) == "a.wav [1.5- s] channel 2"
    assert list(CLIP_COLUMNS) == ["audio", "start_seconds", "end_seconds", "channel"]
