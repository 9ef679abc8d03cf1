"""Tuning the upper layers: it learns, it touches nothing else, and equal seeds give equal weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ambivox.models.embedded_alm import whisper_tuning
from ambivox.models.embedded_alm.architecture import build_model
from ambivox.models.embedded_alm.audio_tower import encode, encoder_frames, mean_logits
from ambivox.models.embedded_alm.frozen_states import compute_frozen_states
from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms, pad_batch
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.whisper_encoder import load_encoder, read_shape
from ambivox.models.embedded_alm.whisper_tuning import WhisperTuningSettings, tune_upper_layers
from tests.support.whisper_folders import make_whisper

SETTINGS = WhisperTuningSettings(
    epochs=6, tuned_layers=2, batch=8, learning_rate=1e-3, head_learning_rate=1e-2
)
CLIPS = 60


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("whisper") / "w")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory):
    """Tones and hisses of different lengths, half each, with their spectrograms and shares of votes."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    names, p_NK = [], np.zeros((CLIPS, 2))
    for index in range(CLIPS):
        time = np.arange(int(16_000 * rng.uniform(0.3, 1.2))) / 16_000
        is_tone = index % 2
        tone = np.sin(2 * np.pi * rng.uniform(150, 400) * time) * 0.3
        sound = tone if is_tone else rng.standard_normal(len(time)) * 0.1
        p_NK[index] = (0.1, 0.9) if is_tone else (0.8, 0.2)
        names.append(str(folder / f"{index}.wav"))
        soundfile.write(names[-1], sound.astype(np.float32), 16_000)
    return log_mel_spectrograms(names, 80), p_NK


def tower_of(whisper: Path):
    model = build_model(read_shape(whisper, 2), build_tokenizer(("a b", "c d"), ["x"]))
    tower = model.model.audio_tower.eval()
    load_encoder(tower, whisper)
    return tower


def tune(whisper: Path, clips, settings: WhisperTuningSettings, cache: Path | None = None):
    mels, p_NK = clips
    tower = tower_of(whisper)
    states = compute_frozen_states(tower, settings.tuned_layers, mels, cache)
    is_validation_N = np.arange(CLIPS) >= 44
    head, history = tune_upper_layers(tower, states, p_NK, is_validation_N, settings)
    return tower, head, history


def test_it_learns_and_leaves_the_lower_layers_as_published(whisper: Path, clips, tmp_path: Path) -> None:
    tower, head, history = tune(whisper, clips, SETTINGS, tmp_path)
    assert len(history) == SETTINGS.epochs
    best = min(history, key=lambda entry: entry["validation_loss"])
    mels, p_NK = clips
    entropy = float(-(p_NK[44:] * np.log(p_NK[44:])).sum(1).mean())
    assert best["validation_loss"] < entropy + 0.05  # a constant answer has about 0.2 more
    before = tower_of(whisper).state_dict()
    tuned = ("layers.1.", "layers.2.", "layer_norm.")
    changed = {name for name, value in tower.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith(tuned) for name in changed)
    # The tower and the head as a whole, from spectrograms in full precision, give what was measured.
    with torch.no_grad():
        frames_N = torch.from_numpy(mels.frames_N[44:])
        h_BLD, is_audio_BL = encode(tower, pad_batch([mels[n] for n in range(44, CLIPS)]), frames_N)
        log_q_NK = torch.log_softmax(mean_logits(h_BLD, is_audio_BL, *head).double(), 1).numpy()
    loss = float(-(p_NK[44:] * log_q_NK).sum(1).mean())
    assert loss == pytest.approx(best["validation_loss"], abs=2e-3)


def test_equal_seeds_give_equal_weights_with_and_without_a_cache(
    whisper: Path, clips, tmp_path: Path
) -> None:
    quick = replace(SETTINGS, epochs=1)
    tower, head, _ = tune(whisper, clips, quick)
    again, same_head, _ = tune(whisper, clips, quick, tmp_path)
    other, _, _ = tune(whisper, clips, replace(quick, seed=1))
    name = "layers.2.fc1.weight"
    assert torch.equal(tower.state_dict()[name], again.state_dict()[name]) and torch.equal(
        head[0], same_head[0]
    )
    assert not torch.equal(tower.state_dict()[name], other.state_dict()[name])


def test_an_epoch_has_each_recording_once_and_batches_of_similar_length() -> None:
    rng = np.random.default_rng(1)
    lengths_N = rng.integers(20, 150, 500)
    rows = np.flatnonzero(rng.random(500) < 0.8)
    batches = list(whisper_tuning._batches(rows, lengths_N, 16, rng))
    assert sorted(np.concatenate(batches)) == sorted(rows)
    padded = sum(len(part) * lengths_N[part].max() for part in batches)
    assert padded < 1.15 * lengths_N[rows].sum()


def test_spans_of_time_are_masked_within_the_recording_only() -> None:
    rng = np.random.default_rng(2)
    settings = WhisperTuningSettings(masked_spans=2, masked_share=0.3)
    x_BTD = torch.ones(200, 50, 3)
    encoded_B = np.tile([10, 50], 100)
    whisper_tuning._mask_spans(x_BTD, encoded_B, settings, rng)
    masked_BT = (x_BTD == 0).all(2).numpy()
    assert not masked_BT[0::2, 10:].any()
    for share, columns in ((masked_BT[0::2, :10].mean(), 10), (masked_BT[1::2].mean(), 50)):
        assert 0.1 < share < 0.35, columns  # two spans of 0.15 on average, which may overlap
    assert (x_BTD[~torch.from_numpy(masked_BT)] == 1).all()


def test_frozen_states_are_those_of_each_recording_alone(whisper: Path, clips) -> None:
    from ambivox.models.embedded_alm.audio_tower import embed, run_layers

    mels, _ = clips
    tower = tower_of(whisper)
    states = compute_frozen_states(tower, 2, mels, None)
    x_BTD, encoded_B = states.batch(np.array([3, 7]))
    for x_TD, encoded, row in zip(x_BTD, encoded_B, (3, 7), strict=True):
        frames = encoder_frames(torch.tensor([int(mels.frames_N[row])]))
        assert int(encoded) == int(frames)
        with torch.no_grad():
            alone = run_layers(tower.layers[:1], embed(tower, pad_batch([mels[row]])), frames)[0]
        torch.testing.assert_close(x_TD[:encoded], alone[:encoded], atol=5e-3, rtol=2e-3)  # float16
        assert not x_TD[encoded:].any()


@pytest.mark.parametrize(("enough", "kept"), [(1, "last"), (10_000, "best")])
def test_many_recordings_keep_the_last_epoch_and_few_the_best(
    enough: int, kept: str, whisper: Path, clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validation scores are made to say that the first epoch is the best."""
    losses = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(whisper_tuning, "ENOUGH_RECORDINGS", enough)
    monkeypatch.setattr(
        whisper_tuning,
        "validation_scores",
        lambda *_: {"validation_loss": next(losses), "validation_js": 0.0},
    )
    heads = []
    copied = whisper_tuning._copied_weights
    monkeypatch.setattr(
        whisper_tuning, "_copied_weights", lambda module: heads.append(copied(module)) or heads[-1]
    )
    _, (weights_KD, _), history = tune(whisper, clips, replace(SETTINGS, epochs=3))
    assert len(history) == 3 and len(heads) == (3 if kept == "last" else 1)
    assert torch.equal(weights_KD, heads[-1]["1.weight"])
