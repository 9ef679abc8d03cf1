"""What each ALM says of each utterance: many answers to many prompts become one distribution.

An exact answer is a distribution, a sampled answer a vote; the ALM's distribution is the mean of its answers
over personas and option orders (each order's bias cancels in a balanced set). Refusals say nothing and are
counted. Sampled answers alone get half a pseudo-vote per label (Jeffreys), as a label that ten answers did
not name is not impossible. Aggregation runs in polars, so a file may be larger than the memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.vote_file import exact_sum
from ambivox.models.tables import Annotations


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
    """Every ALM's opinions in an annotations file, in the order of the ALMs' names; the file is streamed.

    Raises:
        UserError: not a table of annotations, or one with other labels than the votes.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a table of annotations")
    try:
        metadata, schema = pl.read_parquet_metadata(path), pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error})") from error
    if "ambivox.labels" not in metadata:
        raise UserError(f"{path}: a Parquet file, but not one of Ambivox: its metadata has no ambivox.labels")
    theirs = tuple(json.loads(metadata["ambivox.labels"]))
    Annotations.check(pl.DataFrame(schema=schema), theirs, origin=str(path))  # columns and types
    if theirs != labels:
        raise UserError(
            f"{path} is about the labels {', '.join(theirs)}, but the votes about {', '.join(labels)}; "
            "annotate again with the votes' label set"
        )
    return _opinions(pl.scan_parquet(path), utterance_ids, labels)


def synthetic(annotations: Annotations, utterance_ids: pl.Series) -> tuple[Synthetic, ...]:
    """Every ALM's opinion of these utterances, in the order of the ALMs' names.

    Raises:
        UserError: log-probabilities that are not those of a distribution over the labels.
    """
    return _opinions(annotations.frame.lazy(), utterance_ids, annotations.labels)


def _opinions(
    answers: pl.LazyFrame, utterance_ids: pl.Series, labels: tuple[str, ...]
) -> tuple[Synthetic, ...]:
    rows = pl.LazyFrame(
        {"utterance_id": utterance_ids, "_row": np.arange(len(utterance_ids), dtype=np.int64)}
    )
    means = (
        answers.join(rows, on="utterance_id")
        .group_by("alm", "_row")
        .agg(*_aggregates(labels))
        .sort("alm", "_row")
        .collect(engine="streaming")
    )
    return tuple(
        _one(str(alm), group, labels, len(utterance_ids))
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
        .pipe(exact_sum)
        .alias(f"_{k}")
        for k, label in enumerate(labels)
    ]
    fitting = pl.col("logprobs").list.len() == len(labels)
    return [
        (exact & ~fitting).sum().alias("_misfits"),
        exact.sum().alias("_exact"),
        sampled.sum().alias("_sampled"),
        (~exact & ~sampled).sum().alias("_refusals"),
        (exact_sum(pl.col("label_mass")) / pl.col("label_mass").count()).alias("_mass"),
        *answers,
    ]


def _one(alm: str, group: pl.DataFrame, labels: tuple[str, ...], rows: int) -> Synthetic:
    row_M = group["_row"].to_numpy()
    exact_M, sampled_M = group["_exact"].to_numpy().astype(float), group["_sampled"].to_numpy().astype(float)
    answers_M = exact_M + sampled_M
    sum_MK = group.select([f"_{k}" for k in range(len(labels))]).to_numpy()
    if group["_misfits"].sum():
        raise UserError(
            f"answers of {alm} have another number of log-probabilities than the {len(labels)} labels"
        )
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
