"""A corpus in numbers: sizes, votes, agreement, ambiguity and splits; made with every ingest, as JSON and as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.ingestion.splits import split_overlap
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.metrics import entropy
from ambivox.models.tables import DIMENSIONS, SPLITS, Ratings, Utterances, Votes

ENTROPY_BINS = 12


def corpus_profile(
    utterances: Utterances, votes: Votes, heldout: Votes, ratings: Ratings | None = None
) -> dict[str, Any]:
    """Describe a corpus as plain JSON values.

    Figures about votes describe the corpus, so they include the held-out votes.

    Args:
        utterances: The N utterances.
        votes: Their votes, over K labels.
        heldout: The held-out votes, with the same labels.
        ratings: Arousal, valence and dominance, where the corpus has them.

    Returns:
        Numbers, lists and dicts; None where a figure is not defined. Entropies are in bits, of the votes of an
        utterance, over utterances with two votes or more.
    """
    frame, labels = utterances.frame, votes.labels
    all_votes = Votes(pl.concat([votes.frame, heldout.frame]), labels)
    n_NK = all_votes.counts(frame["utterance_id"])
    votes_N = n_NK.sum(1)
    several_N = votes_N > 1.5  # weights of shared votes sum to whole numbers except for rounding
    bits_M = entropy(n_NK[several_N] / votes_N[several_N, None]) if several_N.any() else np.zeros(0)
    edges = np.linspace(0, np.log2(max(2, len(labels))), ENTROPY_BINS + 1)
    vote_numbers, utterance_counts = np.unique(np.rint(votes_N).astype(int), return_counts=True)
    return {
        "labels": list(labels),
        "utterances": frame.height,
        "speakers": frame["speaker"].n_unique() - bool(frame["speaker"].null_count()),
        "hours": _digits(float(frame["duration_seconds"].sum()) / 3600),
        "longest_seconds": frame["duration_seconds"].max(),
        "annotators": all_votes.frame["annotator_id"].n_unique(),
        "votes": round(float(votes_N.sum())),
        "votes_held_back": round(float(heldout.frame["weight"].sum())),
        "votes_per_utterance": {
            str(votes): int(count) for votes, count in zip(vote_numbers, utterance_counts, strict=True)
        },
        "label_prior": _shares(n_NK.sum(0), labels),
        "fleiss_kappa": _or_none(fleiss_kappa(n_NK)),
        "krippendorff_alpha": _or_none(krippendorff_alpha(n_NK)),
        "mean_entropy_bits": _or_none(float(bits_M.mean())) if len(bits_M) else None,
        "entropy_bits": {"edges": edges.tolist(), "utterances": np.histogram(bits_M, edges)[0].tolist()},
        "splits": {split: _split_profile(frame, votes_N, split) for split in SPLITS},
        "without": {
            "votes": int((votes_N == 0).sum()),
            "transcript": frame["transcript"].null_count(),
            "speaker": frame["speaker"].null_count(),
        },
        "straddling": split_overlap(frame),
    } | ({} if ratings is None else {"ratings": _ratings_profile(ratings)})


def _ratings_profile(ratings: Ratings) -> dict[str, Any]:
    """Per dimension: utterances with a rating, the mean and the standard deviation over them, and that within them."""
    means, own = ratings.means(), ratings.frame.filter(pl.col("annotator_id").is_not_null())
    profile: dict[str, Any] = {
        "scale": [ratings.frame["lowest"].min(), ratings.frame["highest"].max()],
        "annotators": own["annotator_id"].n_unique(),
        "ratings": own.height,
    }
    for name in DIMENSIONS:
        of_utterances = means[name].drop_nulls()
        within = own.group_by("utterance_id").agg(pl.col(name).std())[name].drop_nulls()
        profile[name] = {
            "utterances": len(of_utterances),
            "mean": _or_none(_mean(of_utterances)),
            "deviation": _or_none(float(of_utterances.std() or 0)) if len(of_utterances) > 1 else None,  # type: ignore[arg-type]
            "deviation_within_utterances": _or_none(_mean(within)),
        }
    return profile


def _mean(values: pl.Series) -> float:
    return float(np.mean(values.to_numpy())) if len(values) else float("nan")


def _split_profile(frame: pl.DataFrame, votes_N: np.ndarray, split: str) -> dict[str, float | int]:
    in_split_N = (frame["split"] == split).to_numpy()
    selected = frame.filter(in_split_N)
    return {
        "utterances": selected.height,
        "speakers": selected["speaker"].drop_nulls().n_unique(),
        "hours": _digits(float(selected["duration_seconds"].sum()) / 3600),
        "votes": round(float(votes_N[in_split_N].sum())),
    }


def _shares(votes_K: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    total = votes_K.sum() or 1.0
    return {label: _digits(float(votes / total)) for label, votes in zip(labels, votes_K, strict=True)}


def _or_none(value: float) -> float | None:
    return _digits(value) if np.isfinite(value) else None


def _digits(value: float) -> float:
    """Round to ten digits: sums on several threads differ beyond, and the same corpus must give the same bytes."""
    return float(f"{value:.10g}")
