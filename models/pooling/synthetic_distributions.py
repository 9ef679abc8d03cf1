"""Each ALM's distribution per utterance: the mean of its answers to all prompts.

An exact answer is a distribution, a sampled answer is a vote. Exact answers are averaged over personas and option orders
in log space: what the place of an option adds to its log-probability cancels where every label has every place equally
often, which it does not among probabilities. Verbalised answers may be 0, so that their plain mean is taken. Refusals are counted and
left out. Where all answers are sampled, every label gets half a pseudo-vote (Jeffreys), so that a label that no
answer named keeps a positive probability. Aggregation is streamed, so a file may be larger than the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import softmax

from ambivox.models.errors import UserError
from ambivox.models.parquet_files import check_opened_size, check_pages, reading, stored_labels
from ambivox.models.pooling.calibration import FLOOR
from ambivox.models.pooling.vote_file import exact_sum
from ambivox.models.tables import Annotations

_EXPECTED = "a table of annotations"
# Those that are read.
_COLUMNS = ("utterance_id", "alm", "elicitation", "logprobs", "label", "label_mass", "refused")


@dataclass(frozen=True)
class SyntheticDistributions:
    """The distributions of N utterances by one ALM.

    Attributes:
        alm: the ALM's name.
        q_NK: mean of its answers (of exact ones in log space); nan where it never answered.
        answers_N: number of answers that name a label.
        refusals_N: number of refusals.
        label_mass_N: mean probability of all labels together, from 0 to 1; nan where unknown.
        sampled_NK: its answers per label where all of them are sampled; 0 elsewhere.
    """

    alm: str
    q_NK: np.ndarray
    answers_N: np.ndarray
    refusals_N: np.ndarray
    label_mass_N: np.ndarray
    sampled_NK: np.ndarray

    @property
    def answered_N(self) -> np.ndarray:  # noqa: N802  (arrays carry their axes in capitals)
        """Whether the ALM gave any answer."""
        return self.answers_N > 0

    def votes(self, exact: int) -> np.ndarray:
        """Its votes ``v_NK`` in the paper's count: sampled answers as they are, exact ones as their expectation.

        Args:
            exact: how many votes an exact distribution counts for.

        Returns:
            ``sampled_NK`` where all answers are sampled, else ``exact * q_NK``; 0 where it never answered.
        """
        is_sampled_N1 = self.sampled_NK.sum(1, keepdims=True) > 0
        return np.where(is_sampled_N1, self.sampled_NK, exact * np.nan_to_num(self.q_NK))


def read_synthetic_distributions(
    path: Path, utterance_ids: pl.Series, labels: tuple[str, ...]
) -> tuple[SyntheticDistributions, ...]:
    """Aggregate a file of annotations by streaming it.

    Args:
        path: a Parquet file with answers of one or more ALMs.
        utterance_ids: the N utterances of interest, in order.
        labels: the label set that the answers must be about.

    Returns:
        One entry per ALM, sorted by the ALM's name.

    Raises:
        UserError: not a table of annotations, or one with other labels.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a table of annotations")
    check_opened_size(path, _EXPECTED)
    check_pages(path, _EXPECTED, columns=_COLUMNS)
    with reading(str(path), _EXPECTED):
        schema = pl.read_parquet_schema(path)
        labels_in_file = stored_labels(pl.read_parquet_metadata(path), str(path), _EXPECTED)
    Annotations.check(pl.DataFrame(schema=schema), labels_in_file, origin=str(path))  # columns and types
    if labels_in_file != labels:
        raise UserError(
            f"{path} has the labels {', '.join(labels_in_file)}, but the votes have {', '.join(labels)}; "
            "annotate again with the label set of the votes"
        )
    with reading(str(path), _EXPECTED):
        return _aggregate(pl.scan_parquet(path), utterance_ids, labels)


def synthetic_distributions(
    annotations: Annotations, utterance_ids: pl.Series
) -> tuple[SyntheticDistributions, ...]:
    """Aggregate a table of annotations.

    Args:
        annotations: answers of one or more ALMs.
        utterance_ids: the N utterances of interest, in order.

    Returns:
        One entry per ALM, sorted by the ALM's name.

    Raises:
        UserError: log-probabilities that are not those of a distribution over the labels.
    """
    return _aggregate(annotations.frame.lazy(), utterance_ids, annotations.labels)


def _aggregate(
    answers: pl.LazyFrame, utterance_ids: pl.Series, labels: tuple[str, ...]
) -> tuple[SyntheticDistributions, ...]:
    rows = pl.LazyFrame(
        {"utterance_id": utterance_ids, "_row": np.arange(len(utterance_ids), dtype=np.int64)}
    )
    aggregated = (
        answers.join(rows, on="utterance_id")
        .group_by("alm", "_row")
        .agg(*_aggregates(labels))
        .sort("alm", "_row")
        .collect(engine="streaming")
    )
    return tuple(
        _distributions(str(alm), group, labels, len(utterance_ids))
        for (alm,), group in aggregated.group_by("alm", maintain_order=True)
    )


def _aggregates(labels: tuple[str, ...]) -> list[pl.Expr]:
    """Counts and label mass per utterance and ALM; by label, sums of exact answers, their logarithms, sampled answers."""
    exact = pl.col("logprobs").is_not_null() & ~pl.col("refused")
    sampled = pl.col("logprobs").is_null() & pl.col("label").is_not_null() & ~pl.col("refused")
    in_log_space = exact & (pl.col("elicitation") != "verbalised")
    sums = []
    for k, label in enumerate(labels):
        log_p = pl.col("logprobs").list.get(k, null_on_oob=True)
        floored = log_p.clip(lower_bound=float(np.log(FLOOR)))
        chosen = (pl.col("label") == label).cast(pl.Float64)
        sums += [
            pl.when(condition).then(value).otherwise(0.0).pipe(exact_sum).alias(f"_{name}_{k}")
            for name, condition, value in (
                ("p", exact, log_p.exp()),
                ("log", in_log_space, floored),
                ("vote", sampled, chosen),
            )
        ]
    right_length = pl.col("logprobs").list.len() == len(labels)
    return [
        (exact & ~right_length).sum().alias("_wrong_length"),
        exact.sum().alias("_exact"),
        in_log_space.sum().alias("_in_log_space"),
        sampled.sum().alias("_sampled"),
        (~exact & ~sampled).sum().alias("_refusals"),
        (exact_sum(pl.col("label_mass")) / pl.col("label_mass").count()).alias("_mass"),
        *sums,
    ]


def _distributions(
    alm: str, aggregated: pl.DataFrame, labels: tuple[str, ...], rows: int
) -> SyntheticDistributions:
    """The arrays of one ALM; ``aggregated`` has a row per utterance that was annotated, M of them."""
    row_M = aggregated["_row"].to_numpy()
    exact_M = aggregated["_exact"].to_numpy().astype(float)
    answers_M = exact_M + aggregated["_sampled"].to_numpy().astype(float)
    p_MK, log_MK, vote_MK = (
        aggregated.select([f"_{name}_{k}" for k in range(len(labels))]).to_numpy()
        for name in ("p", "log", "vote")
    )
    if aggregated["_wrong_length"].sum():
        raise UserError(
            f"answers of {alm}: the number of log-probabilities is not that of the {len(labels)} labels"
        )
    if not np.allclose(p_MK.sum(1), exact_M, rtol=1e-3, atol=1e-6):
        raise UserError(
            f"answers of {alm}: the log-probabilities are not those of a distribution over the labels: "
            "their exponentials do not sum to 1"
        )
    in_log_space_M = aggregated["_in_log_space"].to_numpy().astype(float)
    mean_log_MK = log_MK / np.maximum(in_log_space_M, 1.0)[:, None]
    exact_MK = np.where(in_log_space_M[:, None] > 0, exact_M[:, None] * softmax(mean_log_MK, axis=1), p_MK)
    pseudo_M = np.where(exact_M > 0, 0.0, 0.5)  # Jeffreys, where all answers are sampled
    total_M = answers_M + pseudo_M * len(labels)
    answered_M = answers_M > 0
    q_MK = (exact_MK + vote_MK + pseudo_M[:, None]) / np.where(answered_M, total_M, 1.0)[:, None]
    q_MK = np.where(answered_M[:, None], q_MK / np.where(answered_M, q_MK.sum(1), 1.0)[:, None], np.nan)
    q_NK, label_mass_N = np.full((rows, len(labels)), np.nan), np.full(rows, np.nan)
    answers_N, refusals_N, sampled_NK = np.zeros(rows), np.zeros(rows), np.zeros((rows, len(labels)))
    sampled_NK[row_M] = np.where(exact_M[:, None] > 0, 0.0, vote_MK)
    q_NK[row_M], answers_N[row_M] = q_MK, answers_M
    refusals_N[row_M] = aggregated["_refusals"].to_numpy()
    label_mass_N[row_M] = aggregated["_mass"].cast(pl.Float64).to_numpy()
    return SyntheticDistributions(alm, q_NK, answers_N, refusals_N, label_mass_N, sampled_NK)
