"""Synthetic corpora with known distributions: utterances, votes and annotations for pooling and validation.

Every utterance has a true distribution theta ~ Dirichlet(kappa q): then an ALM that answers q has exactly
``kappa`` equivalent votes in the model of models/pooling/pooled.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import Annotations, Distributions, Utterances, Votes


@dataclass(frozen=True)
class SimulatedCorpus:
    """N utterances: true distributions, an ALM's distributions, human votes, speakers."""

    theta_NK: np.ndarray
    q_NK: np.ndarray
    n_NK: np.ndarray
    speaker_N: np.ndarray

    @property
    def inputs(self) -> PoolingInputs:
        """The arrays that pooling takes, for one ALM."""
        return PoolingInputs(self.n_NK, self.q_NK[:, None], np.ones((len(self.n_NK), 1)), self.speaker_N)


def simulated_corpus(
    rows: int = 1500, labels: int = 4, kappa: float = 5.0, votes: int = 8, speakers: int = 30, seed: int = 0
) -> SimulatedCorpus:
    """Draw such a corpus."""
    rng = np.random.default_rng(seed)
    q_NK = rng.dirichlet(np.full(labels, 0.6), rows) * 0.98 + 0.02 / labels
    theta_NK = rng.standard_gamma(kappa * q_NK) + 1e-12
    theta_NK /= theta_NK.sum(1, keepdims=True)
    return SimulatedCorpus(
        theta_NK,
        q_NK,
        rng.multinomial(votes, theta_NK).astype(float),
        np.sort(rng.integers(0, speakers, rows)),
    )


def label_names(labels: int) -> tuple[str, ...]:
    """Names of the labels."""
    return tuple(f"label{k:02d}" for k in range(labels))


def utterance_table(corpus: SimulatedCorpus, ids: list[str], names: tuple[str, ...]) -> Utterances:
    """Speakers are assigned to train, development or test by number."""
    splits = np.array(["train", "train", "train", "test", "test", "development"])
    rows = len(ids)
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": ["made_up"] * rows,
            "audio": ["none.wav"] * rows,
            "audio_sha256": ["0" * 64] * rows,
            "duration_seconds": [1.0] * rows,
            "sample_rate_hz": [16000] * rows,
            "split": splits[corpus.speaker_N % 6].tolist(),
            "speaker": [f"s{number}" for number in corpus.speaker_N],
            "sex": np.where(corpus.speaker_N % 2, "female", "male").tolist(),
            "age": (20.0 + corpus.speaker_N % 40).tolist(),
        }
    )
    return Utterances.check(frame, names)


def vote_table(n_NK: np.ndarray, ids: list[str], names: tuple[str, ...], kind: str = "human") -> Votes:
    """One row per vote of whole counts."""
    row_M, label_M = np.nonzero(n_NK)
    times_M = n_NK[row_M, label_M].astype(int)
    row_V, label_V = np.repeat(row_M, times_M), np.repeat(label_M, times_M)
    frame = pl.DataFrame(
        {
            "utterance_id": [ids[row] for row in row_V],
            "annotator_id": [f"a{number}" for number in range(len(row_V))],
            "annotator_kind": [kind] * len(row_V),
            "label": [names[label] for label in label_V],
            "weight": [1.0] * len(row_V),
        },
        schema_overrides={
            "utterance_id": pl.String,
            "annotator_id": pl.String,
            "annotator_kind": pl.String,
            "label": pl.String,
            "weight": pl.Float64,
        },
    )
    return Votes.check(frame, names)


def annotation_frame(q_NK: np.ndarray, ids: list[str], alm: str = "made_up_alm") -> pl.DataFrame:
    """One exact answer per utterance; a row of nan becomes a refusal."""
    rows, answered_N = len(ids), np.isfinite(q_NK).all(1)
    return pl.DataFrame(
        {
            "utterance_id": ids,
            "alm": [alm] * rows,
            "revision": ["1"] * rows,
            "elicitation": ["exact"] * rows,
            "persona": ["tone"] * rows,
            "option_order": ["0"] * rows,
            "temperature": [0.0] * rows,
            "refused": (~answered_N).tolist(),
            "prompt_sha256": ["0"] * rows,
            "engine": ["fake"] * rows,
            "logprobs": [
                np.log(q_K).tolist() if answered else None
                for q_K, answered in zip(q_NK, answered_N, strict=True)
            ],
            "label_mass": [0.9 if answered else None for answered in answered_N],
        },
        schema_overrides={"logprobs": pl.List(pl.Float64), "label_mass": pl.Float64},
    )


@dataclass(frozen=True)
class Files:
    """The files that pool and validate read."""

    utterances: Path
    votes: Path
    heldout: Path
    annotations: Path
    truth: Path
    ids: list[str]
    names: tuple[str, ...]


def write_files(
    folder: Path, corpus: SimulatedCorpus, keep: int = 3, q_NK: np.ndarray | None = None
) -> Files:
    """Keep ``keep`` votes of every utterance, hold out the others, and let the ALM answer ``q_NK``."""
    names = label_names(corpus.n_NK.shape[1])
    ids = [f"u{number:06d}" for number in range(len(corpus.n_NK))]
    kept_NK = draw_votes(corpus.n_NK, np.full(len(ids), keep), np.random.default_rng(1))
    answer_NK = corpus.q_NK if q_NK is None else q_NK
    files = Files(
        utterances=folder / "utterances.parquet",
        votes=folder / "votes.parquet",
        heldout=folder / "heldout.parquet",
        annotations=folder / "annotations.parquet",
        truth=folder / "truth.parquet",
        ids=ids,
        names=names,
    )
    utterance_table(corpus, ids, names).write(files.utterances)
    vote_table(kept_NK, ids, names).write(files.votes)
    vote_table(corpus.n_NK - kept_NK, ids, names).write(files.heldout)
    Annotations.check(annotation_frame(answer_NK, ids), names).write(files.annotations)
    Distributions.of(pl.Series(ids), "truth", corpus.theta_NK, names).write(files.truth)
    return files
