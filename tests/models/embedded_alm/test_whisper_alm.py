"""An embedded ALM on a Whisper is a Qwen2-Audio like any other: transformers, vLLM and fine-tuning take its folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ambivox.models.embedded_alm.audio_tower import encode, mean_logits
from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms, pad_batch
from ambivox.models.engines import EngineChoice, open_engine
from ambivox.models.engines import transformers as reference
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import build_prompts
from tests.support import annotation_fixtures, tone_corpus
from tests.support.engine_requests import make_requests, probabilities
from tests.support.finetuned_models import finetune_tones, predict_split
from tests.support.whisper_folders import REAL_WHISPER, build_whisper_alm, make_whisper, needs_real_whisper


def texts(labels: tuple[str, ...], spoken: tuple[str, ...]) -> list[str]:
    return [
        prompt.text(words) for prompt in build_prompts(labels, PAPER, 1, modality="both") for words in spoken
    ]


def heads_distributions(alm: Path, clips: Path, head, mel_bands: int) -> dict[str, np.ndarray]:
    """What the head says about each clip, on the tower that transformers loads."""
    from transformers import Qwen2AudioForConditionalGeneration

    tower = Qwen2AudioForConditionalGeneration.from_pretrained(alm).eval().model.audio_tower
    paths = sorted(clips.glob("*.wav"))
    mels = log_mel_spectrograms([str(path) for path in paths], mel_bands)
    with torch.no_grad():
        batch = pad_batch([mels[n] for n in range(len(paths))])
        logits = mean_logits(*encode(tower, batch, torch.from_numpy(mels.frames_N)), *head)
    return {
        f"clip{path.stem}": row for path, row in zip(paths, torch.softmax(logits, 1).numpy(), strict=True)
    }


def assert_answers_are_the_heads(
    engine, requests, expected: dict[str, np.ndarray], atol: float
) -> np.ndarray:
    """Every prompt about a clip is answered with the head's distribution; returns the codes' probabilities."""
    p_QK = probabilities(engine, requests)
    assert p_QK.sum(1).min() > 0.99
    for request, p_K in zip(requests, p_QK, strict=True):
        head_K = expected[request.audio_name.split("-")[0]][list(request.prompt.order)]
        np.testing.assert_allclose(p_K / p_K.sum(), head_K, atol=atol)
    return p_QK


@pytest.fixture(scope="module", params=[80, 128])
def built(request, tmp_path_factory):
    """The ALM's folder, its head, and its mel bands."""
    folder = tmp_path_factory.mktemp("whisper")
    whisper = make_whisper(folder / "w", mel_bands=request.param)
    labels = annotation_fixtures.LABELS
    head = build_whisper_alm(folder / "alm", whisper, labels, texts(labels, annotation_fixtures.SPOKEN))
    return folder / "alm", head, request.param


def test_transformers_answers_any_prompt_with_the_heads_distribution(built, tmp_path) -> None:
    alm, head, mel_bands = built
    requests = make_requests(tmp_path, clips=3)
    expected = heads_distributions(alm, tmp_path, head, mel_bands)
    engine = reference.start(EngineChoice("transformers", str(alm)))
    assert_answers_are_the_heads(engine, requests, expected, atol=0.01)
    assert np.ptp(np.stack(list(expected.values())), axis=0).max() > 0.02  # the clips differ


@pytest.mark.engine
@pytest.mark.parametrize("built", [80], indirect=True)  # the statistics tower has 128 bands, and its own test
def test_vllm_gives_the_distributions_of_transformers(built, tmp_path) -> None:
    alm, head, mel_bands = built
    requests = make_requests(tmp_path, clips=3)
    expected = heads_distributions(alm, tmp_path, head, mel_bands)
    slow = assert_answers_are_the_heads(
        reference.start(EngineChoice("transformers", str(alm))), requests, expected, atol=0.01
    )
    engine = open_engine(EngineChoice("vllm", str(alm)))
    try:
        fast = assert_answers_are_the_heads(engine, requests, expected, atol=0.01)
    finally:
        engine.close()
    np.testing.assert_allclose(fast, slow, atol=1e-3)


@pytest.mark.engine
@needs_real_whisper
def test_vllm_and_transformers_agree_on_whisper_tiny(tmp_path) -> None:
    labels = annotation_fixtures.LABELS
    build_whisper_alm(tmp_path / "alm", REAL_WHISPER, labels, texts(labels, annotation_fixtures.SPOKEN))
    clips = tmp_path / "clips"
    clips.mkdir()
    requests = make_requests(clips, clips=3)
    slow = probabilities(reference.start(EngineChoice("transformers", str(tmp_path / "alm"))), requests)
    engine = open_engine(EngineChoice("vllm", str(tmp_path / "alm")))
    try:
        fast = probabilities(engine, requests)
    finally:
        engine.close()
    assert fast.sum(1).min() > 0.99
    np.testing.assert_allclose(fast, slow, atol=1e-3)


def test_fine_tuning_takes_it(tmp_path) -> None:
    tones = tmp_path / "tones"
    tones.mkdir()
    corpus = tone_corpus.tone_corpus(tones, per_split=(24, 6, 6))
    labels = tone_corpus.LABELS
    whisper = make_whisper(tmp_path / "w")
    build_whisper_alm(tmp_path / "alm", whisper, labels, texts(labels, ("it is late", "so it goes")))
    model = finetune_tones(
        corpus,
        tmp_path / "model",
        alm=tmp_path / "alm",
        preset="small",
        cache=tmp_path / "states",
        runs=tmp_path / "runs",
        options={"epochs": 3, "early_stopping_patience": 3, "batch": 6, "learning_rate": 1e-3},
    )
    training = json.loads((model / "training.json").read_text())
    assert training["checks"]["gradient"] > 0
    curves = json.loads((model / "curves.json").read_text())["curves"]
    assert min(row["loss"] for row in curves[1:]) < curves[0]["loss"]
    predictions = predict_split(corpus, model, tmp_path / "states")
    q_NK = predictions.aligned(predictions.frame["utterance_id"])
    assert q_NK.shape == (6, 3) and np.ptp(q_NK, axis=0).max() > 0.01
