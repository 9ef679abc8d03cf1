"""What a corpus is like, in numbers: made with every ingest, so that nobody works on a corpus unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.ingestion.splits import straddling
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.metrics import entropy
from ambivox.models.tables import SPLITS, Utterances, Votes

ENTROPY_BINS = 12


def profile(utterances: Utterances, votes: Votes, heldout: Votes) -> dict[str, Any]:
    """Describe a corpus as plain numbers, lists and dicts (JSON), ``None`` where a figure is not defined.

    Figures about votes are of all human votes, those held back included: they describe the corpus. Entropy is
    in bits, of an utterance's votes, over utterances with two votes or more.
    """
    frame, labels = utterances.frame, votes.labels
    everyone = Votes(pl.concat([votes.frame, heldout.frame]), labels)
    n_NK = everyone.counts(frame["utterance_id"])
    votes_N = n_NK.sum(1)
    several = votes_N > 1.5  # weights of shared votes sum to whole numbers but for rounding
    bits = entropy(n_NK[several] / votes_N[several, None]) if several.any() else np.zeros(0)
    edges = np.linspace(0, np.log2(max(2, len(labels))), ENTROPY_BINS + 1)
    number, how_many = np.unique(np.rint(votes_N).astype(int), return_counts=True)
    return {
        "labels": list(labels),
        "utterances": frame.height,
        "speakers": frame["speaker"].n_unique() - bool(frame["speaker"].null_count()),
        "hours": _digits(float(frame["duration_seconds"].sum()) / 3600),
        "longest_seconds": frame["duration_seconds"].max(),
        "annotators": everyone.frame["annotator_id"].n_unique(),
        "votes": round(float(votes_N.sum())),
        "votes_held_back": round(float(heldout.frame["weight"].sum())),
        "votes_per_utterance": {
            str(votes): int(count) for votes, count in zip(number, how_many, strict=True)
        },
        "label_prior": _shares(n_NK.sum(0), labels),
        "fleiss_kappa": _defined(fleiss_kappa(n_NK)),
        "krippendorff_alpha": _defined(krippendorff_alpha(n_NK)),
        "mean_entropy_bits": _defined(float(bits.mean())) if len(bits) else None,
        "entropy_bits": {"edges": edges.tolist(), "utterances": np.histogram(bits, edges)[0].tolist()},
        "splits": {split: _split(frame, votes_N, split) for split in SPLITS},
        "without": {
            "votes": int((votes_N == 0).sum()),
            "transcript": frame["transcript"].null_count(),
            "speaker": frame["speaker"].null_count(),
        },
        "straddling": straddling(frame),
    }


def _split(frame: pl.DataFrame, votes_N: np.ndarray, split: str) -> dict[str, float | int]:
    inside = (frame["split"] == split).to_numpy()
    its = frame.filter(inside)
    return {
        "utterances": its.height,
        "speakers": its["speaker"].drop_nulls().n_unique(),
        "hours": _digits(float(its["duration_seconds"].sum()) / 3600),
        "votes": round(float(votes_N[inside].sum())),
    }


def _shares(votes_K: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    total = votes_K.sum() or 1.0
    return {label: _digits(float(votes / total)) for label, votes in zip(labels, votes_K, strict=True)}


def _defined(figure: float) -> float | None:
    return _digits(figure) if np.isfinite(figure) else None


def _digits(figure: float) -> float:
    """Ten digits: sums on several threads differ beyond, and the same corpus must give the same bytes."""
    return float(f"{figure:.10g}")
