"""Fixtures of the annotation tests: a small ALM with random weights, clips to annotate, one vLLM engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.tables import Utterances

LABELS = ("anger", "happiness", "neutral", "sadness")
SPOKEN = (
    "it's eleven o'clock",
    "don't forget a jacket",
    "I would like a new alarm clock",
    "the surface is slick",
)
RATE_HZ = 16_000


@pytest.fixture(scope="session")
def small_alm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ALM with the architecture of Qwen2-Audio and random weights, scaled so that audio and prompts change its answers."""
    return build_small_alm(tmp_path_factory.mktemp("alm") / "small")


def build_small_alm(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """Write the model folder, without training; this takes seconds."""
    import torch

    from ambivox.models.embedded_alm.architecture import Shape, build_model, save_folder
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.prompting.personas import BUILT_IN
    from ambivox.models.prompting.prompts import build_prompts

    prompts = build_prompts(labels, BUILT_IN, 2, modality="both")
    tokenizer = build_tokenizer(labels, [prompt.text(spoken) for prompt in prompts for spoken in SPOKEN])
    torch.manual_seed(4)  # of the first six seeds, the one with the highest label mass in all modalities
    shape = Shape(
        tower_width=64,
        tower_layers=1,
        tower_heads=2,
        tower_inner=64,
        text_width=64,
        text_layers=2,
        text_inner=64,
    )
    model = build_model(shape, tokenizer)
    with torch.no_grad():
        model.model.multi_modal_projector.linear.weight.mul_(20)
        model.model.audio_tower.conv1.weight.mul_(8)
        model.model.audio_tower.conv2.weight.mul_(8)
        model.model.language_model.embed_tokens.weight.mul_(20)
        model.lm_head.weight.mul_(4)
        for layer in model.model.language_model.layers:
            for weight in layer.parameters():
                if weight.ndim == 2:
                    weight.mul_(6)
        # Give the answer codes most probability, as in a trained ALM: for any hidden state, one of two opposite rows
        # agrees with it. Otherwise the label mass is at chance level.
        for pair in ("AB", "CD", "EF"):
            row, opposite = (tokenizer.convert_tokens_to_ids(letter) for letter in pair)
            model.lm_head.weight[row] *= 5
            model.lm_head.weight[opposite] = -model.lm_head.weight[row]
    save_folder(model, tokenizer, folder)
    return folder


@pytest.fixture
def make_utterances(tmp_path: Path) -> Callable[..., Path]:
    """``make_utterances(count, seconds=..., labels=...)`` writes clips and their table, and returns its path."""

    def make(
        count: int, seconds: float = 0.6, labels: tuple[str, ...] = LABELS, name: str = "utterances"
    ) -> Path:
        rows = []
        for number in range(count):
            path = tmp_path / "audio" / f"clip{number:04d}.wav"
            path.parent.mkdir(exist_ok=True)
            write_clip(path, number, seconds)
            rows.append(utterance_row(path, number, seconds))
        return Utterances.check(pl.DataFrame(rows), labels).write(tmp_path / f"{name}.parquet")

    return make


def write_clip(path: Path, number: int, seconds: float = 0.6) -> None:
    """Write a tone with vibrato and noise; each number gives another clip."""
    rng = np.random.default_rng(number)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(100, 800) * time + 3 * np.sin(2 * np.pi * rng.uniform(2, 9) * time))
    noise = rng.standard_normal(len(time)) * rng.uniform(0.01, 0.2)
    soundfile.write(path, (0.3 * tone + noise).astype(np.float32), RATE_HZ, subtype="FLOAT")


def utterance_row(path: Path, number: int, seconds: float = 0.6) -> dict[str, object]:
    """The clip's row of the utterances table."""
    sha = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else f"{number:064d}"
    return {
        "utterance_id": f"u{number:04d}",
        "corpus": "tones",
        "audio": str(path),
        "audio_sha256": sha,
        "duration_seconds": seconds,
        "sample_rate_hz": RATE_HZ,
        "split": "train" if number % 4 else "test",
        "transcript": SPOKEN[number % len(SPOKEN)],
        "speaker": f"s{number % 3}",
    }


@pytest.fixture(scope="session")
def vllm_engine(small_alm: Path) -> Iterator[object]:
    """The vLLM engine on ``small_alm`` that all tests share; tests that use it are marked ``engine``."""
    from ambivox.models.engines import EngineChoice, open_engine

    engine = open_engine(EngineChoice("vllm", str(small_alm)))
    yield engine
    engine.close()
