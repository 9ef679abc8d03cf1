"""A small corpus with known true distributions, an annotator's answers on it, and trials of candidates."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Entry
from ambivox.models.annotator_registry.trial import Trial
from ambivox.models.tables import Annotations, Utterances, Votes

LABELS = ("a", "b", "c")


def corpus(rows: int = 200, seed: int = 0) -> tuple[Utterances, Votes, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = [f"u{row:03d}" for row in range(rows)]
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "unit",
            "audio": ids,
            "audio_sha256": ids,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16000,
            "speaker": [f"s{row % 20}" for row in range(rows)],
            "split": np.array(["pretrain", "train", "development", "test"])[np.arange(rows) % 4],
        }
    )
    truth_NK = rng.dirichlet(np.full(3, 0.5), rows)
    cells = [
        (ids[n], f"r{a}", "human", LABELS[k], 1.0)
        for n in range(rows)
        for a, k in enumerate(rng.choice(3, 3 + n % 5, p=truth_NK[n]))
    ]
    columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    return (
        Utterances.check(frame, LABELS),
        Votes.check(pl.DataFrame(cells, columns, orient="row"), LABELS),
        truth_NK,
    )


def answered(ids: pl.Series, q_NK: np.ndarray, refused: float = 0.0, mass: float = 0.9) -> Annotations:
    count = round(refused * len(ids))
    logprobs = [None] * count + np.log(q_NK[count:]).tolist()
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "alm": "x",
            "revision": "1",
            "elicitation": "exact",
            "persona": "p",
            "option_order": "0",
            "temperature": 0.0,
            "refused": [True] * count + [False] * (len(ids) - count),
            "prompt_sha256": "0",
            "engine": "fake",
            "logprobs": pl.Series(logprobs, dtype=pl.List(pl.Float64)),
            "label_mass": mass,
        }
    )
    return Annotations.check(frame, LABELS)


def trial(name: str, nll: float, better: bool) -> Trial:
    """A trial with this nll against a baseline of 1.3."""
    entry = Entry(
        decided_at=datetime(2026, 1, 1, tzinfo=UTC),
        corpus="unit",
        alm=name,
        version="0" * 40,
        source="folder:x",
        decision="rejected",
        reason="",
        baseline="old",
        pilot_utterances=30,
        nll=nll,
        baseline_nll=1.3,
        gain=1.3 - nll,
        gain_low=0.01,
        gain_high=0.2,
    )
    return Trial(Candidate(name, "0" * 40, "folder:x", "x"), entry, better)
