"""A small corpus of tones whose pitch determines the votes: enough to train on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import soundfile

from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.tiny_fixtures import Tables

LABELS = ("anger", "neutral", "sadness")
RATE_HZ = 16_000


class Corpus(Tables):
    """Tables on disk: tones of 0.5 to 1.3 s."""

    @property
    def human(self) -> Path:
        """The distributions of the human votes."""
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
            tone = 0.3 * np.sin(2 * np.pi * pitch * time)
            wave = (tone + 0.01 * random.standard_normal(len(time))).astype(np.float32)
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
                vote = label if random.random() < 0.75 else int(random.integers(3))
                votes.append((name, f"rater-{rater}", "human", LABELS[vote], 1.0))
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
