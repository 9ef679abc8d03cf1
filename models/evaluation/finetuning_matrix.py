"""Every model of the matrix against the human votes of the test speakers, beside what it has to beat.

Targets are human votes only, of the split test only: the held-back ones where votes were held back, else all.
Rows: the fine-tuned models by source and DiME-Aug; ``zero-shot``, the ALM's own answers averaged; ``prior``, the
mean human distribution of the training split, the same for everyone; ``votes``, the votes that were not held
back; ``ceiling``, one half of each utterance's human votes against the other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.errors import UserError
from ambivox.models.evaluation.comparison import split_half
from ambivox.models.pooling.synthetic import read_synthetic
from ambivox.models.statistics.ambiguity import ambiguity, tertiles
from ambivox.models.statistics.bootstrap import PairedTest, mean_interval, paired_test
from ambivox.models.statistics.metrics import (
    accuracy,
    bhattacharyya,
    entropy,
    expected_calibration_error,
    f1_macro,
    f1_weighted,
    jensen_shannon,
    r2_per_label,
)
from ambivox.models.tables import Distributions, Utterances, Votes

Floats = NDArray[np.float64]
TERTILES = ("low", "medium", "high")


@dataclass(frozen=True)
class Targets:
    """N test utterances that people voted on: their rows, vote counts, and the shares of the votes."""

    frame: pl.DataFrame
    n_NK: Floats
    all_NK: Floats  # with those that are not targets
    labels: tuple[str, ...]
    held_back: bool

    @property
    def p_NK(self) -> Floats:  # noqa: N802
        """The human distribution."""
        return self.n_NK / self.n_NK.sum(axis=1, keepdims=True)

    @property
    def ids(self) -> pl.Series:
        """Utterance ids."""
        return self.frame["utterance_id"]

    @property
    def speakers(self) -> list[str | None] | None:
        """A speaker an utterance, or None where fewer than two are known (then utterances are resampled)."""
        speakers = self.frame["speaker"].to_list()
        return speakers if len({speaker for speaker in speakers if speaker is not None}) > 1 else None


@dataclass(frozen=True)
class Row:
    """One model's answers: ``q_NK``, nan where it has none."""

    name: str
    q_NK: Floats

    @property
    def answered_N(self) -> NDArray[np.bool_]:  # noqa: N802
        """Where it has an answer."""
        return np.asarray(np.isfinite(self.q_NK).all(axis=1))


def targets(utterances: Utterances, votes: Votes, heldout: Votes | None) -> Targets:
    """The test utterances with at least one human vote to be measured against.

    Raises:
        UserError: there are none, or the label sets differ.
    """
    held_back = heldout is not None and len(heldout) > 0
    chosen = heldout if held_back and heldout is not None else votes
    if chosen.labels != utterances.labels:
        raise UserError(
            f"the votes' labels ({', '.join(chosen.labels)}) are not the utterances' ({', '.join(utterances.labels)})"
        )
    human = Votes(chosen.frame.filter(pl.col("annotator_kind") == "human"), chosen.labels)
    test = utterances.in_splits("test").frame
    n_NK = human.counts(test["utterance_id"])
    voted_N = n_NK.sum(axis=1) > 0
    if not voted_N.any():
        raise UserError(
            f"no human votes on the {test.height} utterances of the split test: there is nothing to evaluate against"
        )
    kept = Votes(votes.frame.filter(pl.col("annotator_kind") == "human"), votes.labels)
    all_NK = n_NK + kept.counts(test["utterance_id"]) if held_back else n_NK
    return Targets(
        test.filter(pl.Series(voted_N)), n_NK[voted_N], all_NK[voted_N], utterances.labels, held_back
    )


def matrix_rows(folder: Path, wanted: Targets) -> list[Row]:
    """The fine-tuned models' predictions, a file each, in the order of their names.

    Raises:
        UserError: no predictions, other labels, or a table that lacks more than it has.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise UserError(f"{folder}: no predictions (*.parquet) there; run predict first")
    return [Row(file.stem, _aligned(file, wanted)) for file in files]


def reference_rows(
    utterances: Utterances,
    votes: Votes,
    annotations: Path | None,
    distributions: Path | None,
    wanted: Targets,
) -> list[Row]:
    """``zero-shot`` (one row an ALM), ``prior``, and ``votes`` where others were held back."""
    rows = []
    if annotations is not None:
        opinions = read_synthetic(annotations, wanted.ids, wanted.labels)
        for opinion in opinions:
            name = "zero-shot" if len(opinions) == 1 else f"zero-shot-{opinion.alm}"
            rows.append(Row(name, opinion.q_NK))
    human = Votes(votes.frame.filter(pl.col("annotator_kind") == "human"), votes.labels)
    n_NK = human.counts(utterances.in_splits("train").frame["utterance_id"])
    n_NK = n_NK[n_NK.sum(axis=1) > 0]
    if len(n_NK):
        prior_K = (n_NK / n_NK.sum(axis=1, keepdims=True)).mean(axis=0)
        rows.append(Row("prior", np.tile(prior_K, (len(wanted.frame), 1))))
    if wanted.held_back and distributions is not None and (distributions / "human.parquet").is_file():
        rows.append(Row("votes", _aligned(distributions / "human.parquet", wanted)))
    return rows


def scores(row: Row, wanted: Targets, resamples: int, seed: int) -> dict[str, float]:
    """All figures of one row, flat: ``js`` with ``js_low`` and ``js_high``, and so on; ``missing`` unanswered."""
    there = row.answered_N
    p_NK, q_NK = wanted.p_NK[there], row.q_NK[there]
    found = {"missing": float((~there).sum()), "utterances": float(there.sum())}
    if not there.any():
        return found
    speakers = _chosen(wanted.speakers, there)
    right_N = (p_NK.argmax(axis=1) == q_NK.argmax(axis=1)).astype(float)
    measured = {
        "js": jensen_shannon(p_NK, q_NK),
        "bc": bhattacharyya(p_NK, q_NK),
        "accuracy": right_N,
        "entropy": entropy(q_NK),
    }
    for name, score_N in measured.items():
        interval = mean_interval(score_N, speakers, resamples=resamples, seed=seed)
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    found |= {
        "macro_f1": f1_macro(p_NK, q_NK),
        "weighted_f1": f1_weighted(p_NK, q_NK),
        "ece": expected_calibration_error(p_NK, q_NK),
    }
    r2_K = r2_per_label(p_NK, q_NK)
    if np.isfinite(r2_K).any():
        found["r2"] = float(np.nanmean(r2_K))
    assert abs(found["accuracy"] - accuracy(p_NK, q_NK)) < 1e-9
    tertile_N = tertiles(ambiguity(wanted.n_NK))[there]
    for number, name in enumerate(TERTILES):
        if (tertile_N == number).any():
            found[f"js_{name}_ambiguity"] = float(measured["js"][tertile_N == number].mean())
    return {name: round(value, 6) for name, value in found.items()}


def ceiling(wanted: Targets, seed: int) -> dict[str, float]:
    """People against people, as in validation: halves of all human votes there are, kept and held back."""
    halves = split_half(wanted.all_NK, seed=seed)
    halved_N = np.isfinite(halves["js"])
    if not halved_N.any():
        return {}
    means = {name: round(float(values[halved_N].mean()), 6) for name, values in halves.items()}
    return means | {"utterances": int(halved_N.sum())}


def paired(first: Row, second: Row, wanted: Targets, seed: int) -> PairedTest:
    """Is the first row's JS lower than the second's, on the utterances that both answer?"""
    both = first.answered_N & second.answered_N
    p_NK = wanted.p_NK[both]
    return paired_test(
        jensen_shannon(p_NK, first.q_NK[both]),
        jensen_shannon(p_NK, second.q_NK[both]),
        _chosen(wanted.speakers, both),
        seed=seed,
    )


def by_group(rows: list[Row], wanted: Targets) -> pl.DataFrame:
    """JS and accuracy per row and group of speakers: sex, age in tens, language, and each speaker."""
    frame = wanted.frame.with_columns(
        age=pl.when(pl.col("age").is_not_null()).then(
            (pl.col("age") // 10 * 10).cast(pl.Int64).cast(pl.String) + "s"
        )
    )
    parts = []
    for row in rows:
        there = row.answered_N
        p_NK, q_NK = wanted.p_NK[there], row.q_NK[there]
        measured = frame.filter(pl.Series(there)).with_columns(
            js=pl.Series(jensen_shannon(p_NK, q_NK)),
            right=pl.Series((p_NK.argmax(axis=1) == q_NK.argmax(axis=1)).astype(float)),
        )
        for kind in ("sex", "age", "language", "speaker"):
            if measured[kind].null_count() == measured.height:
                continue
            parts.append(
                measured.filter(pl.col(kind).is_not_null())
                .group_by(pl.col(kind).alias("group"))
                .agg(
                    pl.len().alias("utterances"),
                    pl.col("js").mean(),
                    pl.col("right").mean().alias("accuracy"),
                )
                .sort("group")
                .select(
                    pl.lit(row.name).alias("model"),
                    pl.lit(kind).alias("kind"),
                    "group",
                    pl.col("utterances").cast(pl.Int64),
                    "js",
                    "accuracy",
                )
            )
    schema = {
        "model": pl.String,
        "kind": pl.String,
        "group": pl.String,
        "utterances": pl.Int64,
        "js": pl.Float64,
        "accuracy": pl.Float64,
    }
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _aligned(file: Path, wanted: Targets) -> Floats:
    table = Distributions.read(file)
    if table.labels != wanted.labels:
        raise UserError(
            f"{file}: its labels ({', '.join(table.labels)}) are not the votes' ({', '.join(wanted.labels)})"
        )
    joined = pl.DataFrame({"utterance_id": wanted.ids}).join(
        table.frame, on="utterance_id", how="left", maintain_order="left"
    )
    q_NK: Floats = joined.select(list(table.labels)).to_numpy()
    if not np.isfinite(q_NK).all(axis=1).any():
        raise UserError(f"{file}: it has no distribution of any test utterance")
    return q_NK


def _chosen(speakers: list[str | None] | None, there: NDArray[np.bool_]) -> list[str | None] | None:
    return (
        None if speakers is None else [speaker for speaker, kept in zip(speakers, there, strict=True) if kept]
    )
