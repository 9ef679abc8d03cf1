"""A random ALM of Qwen2-Audio's architecture, a small corpus of tones, and a model that was fine-tuned on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.tables import Distributions, Utterances
from tests.support.finetuned_models import CPU_TEST_OPTIONS, finetune_tones, predict_split
from tests.support.tone_corpus import LABELS, Corpus, tone_corpus


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A small corpus of tones."""
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def random_alm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small ALM of Qwen2-Audio's architecture with random weights."""
    torch = pytest.importorskip("torch")
    from ambivox.models.embedded_alm.architecture import Shape, build_model, save_folder
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.prompting.personas import PAPER
    from ambivox.models.prompting.prompts import build_prompts

    torch.manual_seed(7)
    texts = [
        prompt.text("it is late, the door is open now")
        for prompt in build_prompts(LABELS, PAPER, 1, modality="both")
    ]
    tokenizer = build_tokenizer(LABELS, texts)
    shape = Shape(
        tower_width=32,
        tower_layers=1,
        tower_heads=2,
        tower_inner=64,
        text_width=64,
        text_layers=2,
        text_inner=128,
    )
    folder = tmp_path_factory.mktemp("alm") / "random"
    save_folder(build_model(shape, tokenizer), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of caches and models."""
    return tmp_path_factory.mktemp("finetuning")


@pytest.fixture(scope="session")
def augmented(tones: Corpus, folder: Path) -> Path:
    """DiME-Aug's samples for the corpus of tones."""
    from tests.support.steps import augment

    return augment(
        utterances=tones.utterances,
        distributions=tones.human,
        out=folder / "augmented",
        ratio=0.6,
        cache=folder / "features",
    )


@pytest.fixture(scope="session")
def run_arguments(random_alm: Path, augmented: Path, folder: Path) -> dict[str, Any]:
    """Arguments of ``run_finetune`` that most runs share."""
    return {
        "augmented": augmented,
        "alm": random_alm,
        "cache": folder / "states",
        "runs": folder / "runs",
        "options": CPU_TEST_OPTIONS,
    }


@pytest.fixture(scope="session")
def model(tones: Corpus, run_arguments: dict[str, Any], folder: Path) -> Path:
    """The folder of a model that was trained without interruption."""
    return finetune_tones(tones, folder / "model", **run_arguments, tensorboard=folder / "events")


@pytest.fixture(scope="session")
def predictions(tones: Corpus, model: Path, folder: Path) -> Distributions:
    """The model's predictions for the split test."""
    return predict_split(tones, model, folder / "states")


@pytest.fixture
def backbone(random_alm: Path):
    """The ALM, newly loaded."""
    torch = pytest.importorskip("torch")
    from ambivox.models.alm_backbones.backbone import load

    return load(str(random_alm), torch.device("cpu"), torch.float32)


@pytest.fixture
def untrained(tones: Corpus, backbone, folder: Path) -> Callable[[], tuple[Any, Any, Any]]:
    """A function that builds an untrained model, training examples and their audio states."""
    from ambivox.models.alm_backbones.audio_states import AudioStates
    from ambivox.models.finetuning.data.example_building import build_examples
    from ambivox.models.finetuning.model.distribution_model import add_adapters

    def build() -> tuple[Any, Any, Any]:
        states = AudioStates(backbone, folder / "states")
        utterances = Utterances.read(tones.utterances).in_splits("train")
        human = Distributions.read(tones.human)
        examples, _ = build_examples(utterances, backbone, states, "both", "stop", human)
        return add_adapters(backbone, len(LABELS), 8, 16, 0.0, seed=0), examples, states

    return build
