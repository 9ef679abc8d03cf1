"""What each ALM says of each utterance: many answers to many prompts become one distribution.

An exact answer is a distribution, a sampled answer a vote; the ALM's distribution is the mean of its answers
over personas and option orders (each order's bias cancels in a balanced set). Refusals say nothing and are
counted. Sampled answers alone get half a pseudo-vote per label (Jeffreys), as a label that ten answers did
not name is not impossible. Aggregation runs in polars, so a file may be larger than the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from models.errors import UserError
from models.tables import Annotations


@dataclass(frozen=True)
class Synthetic:
    """One ALM's opinion of N utterances; rows of ``q_NK`` are nan where it never answered."""

    alm: str
    q_NK: np.ndarray
    answers_N: np.ndarray  # answers that name a label
    refusals_N: np.ndarray
    label_mass_N: np.ndarray  # mean share that all labels together got; nan where unknown

    @property
    def answered(self) -> np.ndarray:
        """Whether the ALM gave an answer at all."""
        return self.answers_N > 0


def read_synthetic(path: Path, utterance_ids: pl.Series, labels: tuple[str, ...]) -> tuple[Synthetic, ...]:
    """Every ALM's opinions in an annotations file, in the order of the ALMs' names.

    Raises:
        UserError: not a table of annotations, or one with other labels than the votes.
    """
    annotations = Annotations.read(path)
    if annotations.labels != labels:
        raise UserError(
            f"{path} is about the labels {', '.join(annotations.labels)}, but the votes about {', '.join(labels)}; "
            "annotate again with the votes' label set"
        )
    return synthetic(annotations, utterance_ids)


def synthetic(annotations: Annotations, utterance_ids: pl.Series) -> tuple[Synthetic, ...]:
    """Every ALM's opinion of these utterances, in the order of the ALMs' names.

    Raises:
        UserError: log-probabilities that are not those of a distribution over the labels.
    """
    rows = pl.DataFrame(
        {"utterance_id": utterance_ids, "_row": np.arange(len(utterance_ids), dtype=np.int64)}
    )
    means = (
        annotations.frame.lazy()
        .join(rows.lazy(), on="utterance_id")
        .group_by("alm", "_row")
        .agg(*_aggregates(annotations.labels))
        .sort("alm", "_row")
        .collect()
    )
    return tuple(
        _one(str(alm), group, annotations.labels, len(utterance_ids))
        for (alm,), group in means.group_by("alm", maintain_order=True)
    )


def _aggregates(labels: tuple[str, ...]) -> list[pl.Expr]:
    """Per utterance and ALM: answers, refusals, label mass, and the sum of answers for every label."""
    exact = pl.col("logprobs").is_not_null() & ~pl.col("refused")
    sampled = pl.col("logprobs").is_null() & pl.col("label").is_not_null() & ~pl.col("refused")
    answers = [
        pl.when(exact)
        .then(pl.col("logprobs").list.get(k, null_on_oob=True).exp())
        .when(sampled)
        .then((pl.col("label") == label).cast(pl.Float64))
        .otherwise(0.0)
        .sum()
        .alias(f"_{k}")
        for k, label in enumerate(labels)
    ]
    return [
        exact.sum().alias("_exact"),
        sampled.sum().alias("_sampled"),
        (~exact & ~sampled).sum().alias("_refusals"),
        pl.col("label_mass").mean().alias("_mass"),
        *answers,
    ]


def _one(alm: str, group: pl.DataFrame, labels: tuple[str, ...], rows: int) -> Synthetic:
    row_M = group["_row"].to_numpy()
    exact_M, sampled_M = group["_exact"].to_numpy().astype(float), group["_sampled"].to_numpy().astype(float)
    answers_M = exact_M + sampled_M
    sum_MK = group.select([f"_{k}" for k in range(len(labels))]).to_numpy()
    if not np.allclose(sum_MK.sum(1), answers_M, rtol=1e-3, atol=1e-6):
        raise UserError(
            f"the log-probabilities of {alm} are not those of distributions over the labels: "
            "their exponentials do not sum to 1"
        )
    pseudo_M = np.where(exact_M > 0, 0.0, 0.5)  # Jeffreys, where all is counted from samples
    total_M = answers_M + pseudo_M * len(labels)
    answered_M = answers_M > 0
    q_MK = (sum_MK + pseudo_M[:, None]) / np.where(answered_M, total_M, 1.0)[:, None]
    q_MK = np.where(answered_M[:, None], q_MK / np.where(answered_M, q_MK.sum(1), 1.0)[:, None], np.nan)
    made = Synthetic(
        alm, np.full((rows, len(labels)), np.nan), np.zeros(rows), np.zeros(rows), np.full(rows, np.nan)
    )
    made.q_NK[row_M] = q_MK
    made.answers_N[row_M] = answers_M
    made.refusals_N[row_M] = group["_refusals"].to_numpy()
    made.label_mass_N[row_M] = group["_mass"].cast(pl.Float64).to_numpy()
    return made
