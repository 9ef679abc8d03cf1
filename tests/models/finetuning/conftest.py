"""A random ALM of Qwen2-Audio's architecture and a small corpus of tones, made once: enough to train on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.tiny_fixtures import Tables

LABELS = ("anger", "neutral", "sadness")
RATE_HZ = 16_000


class Corpus(Tables):
    """Tables on disk: tones whose pitch says what the votes are, 0.5 to 1.3 s long."""

    @property
    def human(self) -> Path:
        return self.folder / "distributions" / "human.parquet"


def tone_corpus(folder: Path, seed: int = 0, per_split: tuple[int, int, int] = (36, 9, 12)) -> Corpus:
    """Write wave files and tables; class sizes in the training split are uneven."""
    random = np.random.default_rng(seed)
    rows, votes = [], []
    for split, count in zip(("train", "development", "test"), per_split, strict=True):
        for number in range(count):
            label = 0 if number % 9 < 6 else (1 if number % 9 < 8 else 2)
            name = f"{split}-{number:03d}"
            time = np.arange(int(random.uniform(0.5, 1.3) * RATE_HZ)) / RATE_HZ
            pitch = (300, 900, 2500)[label] * random.uniform(0.95, 1.05)
            wave = (0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * random.standard_normal(len(time))).astype(
                np.float32
            )
            file = folder / f"{name}.wav"
            soundfile.write(file, wave, RATE_HZ, subtype="PCM_16")
            rows.append(
                {
                    "utterance_id": name,
                    "corpus": "tones",
                    "audio": str(file),
                    "duration_seconds": len(time) / RATE_HZ,
                    "audio_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                    "sample_rate_hz": RATE_HZ,
                    "split": split,
                    "speaker": f"{split}-speaker-{number % 3}",
                    "sex": "female" if number % 3 else "male",
                    "transcript": ("it is late", "the door is open now", "so it goes")[number % 3],
                }
            )
            for rater in range(5):
                heard = label if random.random() < 0.75 else int(random.integers(3))
                votes.append((name, f"rater-{rater}", "human", LABELS[heard], 1.0))
    utterances = Utterances.check(pl.DataFrame(rows), LABELS)
    utterances.write(folder / "utterances.parquet")
    schema = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    table = Votes.check(pl.DataFrame(votes, schema=schema, orient="row"), LABELS)
    table.write(folder / "votes.parquet")
    ids = utterances.frame["utterance_id"]
    n_NK = table.counts(ids)
    human = Distributions.of(ids, "human", n_NK / n_NK.sum(1, keepdims=True), LABELS, n_NK.sum(1))
    human.write(folder / "distributions" / "human.parquet")
    return Corpus(folder)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A small corpus of tones."""
    return tone_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def random_alm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2-Audio's architecture, tiny, with random weights: the folder."""
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
