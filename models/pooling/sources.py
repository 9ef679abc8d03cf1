"""The four sources of distributions, side by side for the same utterances: human, synthetic, combined,
pooled.

Where a source has nothing to say about an utterance, it takes the corpus prior (the training speakers'
votes) and says so in the column ``fallback``: "prior", or "alm" where ``combined`` and ``pooled`` rest on
an ALM alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.equivalent_votes import Worth, worth
from ambivox.models.pooling.fit import Evidence, fit_pooling
from ambivox.models.pooling.pooled import (
    FEATURES,
    Criterion,
    Pooled,
    PoolingModel,
    counted,
    pool_blocks,
    stack,
)
from ambivox.models.pooling.synthetic import Synthetic, read_synthetic
from ambivox.models.pooling.vote_file import Counted
from ambivox.models.statistics.bootstrap import Interval
from ambivox.models.tables import Distributions, Utterances, Votes

FIT_SPLITS = ("train", "development")  # speakers that pooling may learn from
_WORTH_ROWS, _MEAN_ROWS = 4_000, 100_000  # of a refit, and of the mean of kappa: intervals need no more


@dataclass(frozen=True)
class Sources:
    """Tables by name of the source, the model behind ``pooled``, and what the ALMs are worth."""

    tables: dict[str, Distributions]
    model: PoolingModel
    worth: tuple[Worth, ...]
    opinions: tuple[Synthetic, ...]
    evidence: Evidence
    pooled: Pooled
    split_N: np.ndarray


def make_sources(
    utterances: Utterances,
    votes: Counted,
    annotations: tuple[Path, ...],
    *,
    criterion: Criterion = "js",
    weighed_votes: Counted | None = None,
    synthetic_votes: int = 10,
    matrix: bool = True,
    resamples: int = 20,
    seed: int = 0,
) -> Sources:
    """All four sources for the utterances outside the split "pretrain"; the model is fitted on the training speakers.

    Args:
        utterances: of the corpus.
        votes: the humans'.
        annotations: files of ALMs' answers, of one or more ALMs each.
        criterion: see models/pooling/fit.py.
        weighed_votes: the same votes weighed by their raters' reliability; only ``pooled`` uses them.
        synthetic_votes: how many votes the ALMs have in ``combined``.
        matrix: whether calibrations have a confusion matrix.
        resamples: for the intervals of kappa.
        seed: of all drawing.

    Raises:
        UserError: no utterances, label sets that differ, or an ALM in two files.
    """
    if synthetic_votes < 1:
        raise UserError(f"synthetic-votes must be at least 1, found {synthetic_votes}")
    chosen = utterances.in_splits("train", "development", "test")
    if not len(chosen):
        raise UserError(
            "no utterance is in the splits train, development or test, so there is nothing to pool"
        )
    ids, labels = chosen.frame["utterance_id"], votes.labels
    opinions = tuple(one for path in annotations for one in read_synthetic(path, ids, labels))
    names = [one.alm for one in opinions]
    if len(set(names)) != len(names):
        raise UserError(f"an ALM occurs in more than one annotations file: {', '.join(sorted(names))}")
    plain = gather(chosen, votes, opinions)
    evidence = plain if weighed_votes is None else gather(chosen, weighed_votes, opinions)
    split_N = chosen.frame["split"].to_numpy()
    train = evidence.rows(np.isin(split_N, FIT_SPLITS))
    votes_N = evidence.n_NK.sum(1)

    def fit(part: Evidence, part_seed: int) -> PoolingModel:
        return fit_pooling(labels, names, part, votes_N, criterion=criterion, matrix=matrix, seed=part_seed)

    model = fit(train, seed)
    pooled = pool_blocks(model, evidence.n_NK, evidence.q_NAK, evidence.label_mass_NA)
    value = worth(
        model,
        _some(evidence, _MEAN_ROWS, seed),
        _some(train, _WORTH_ROWS, seed),
        fit,
        resamples=resamples,
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    tables = _tables(ids, labels, plain, pooled, model, synthetic_votes, rng)
    return Sources(tables, model, value, opinions, evidence, pooled, split_N)


def human_votes(votes: Votes) -> Votes:
    """The humans' votes alone."""
    return Votes(votes.frame.filter(pl.col("annotator_kind") == "human"), votes.labels)


def gather(utterances: Utterances, votes: Counted, opinions: tuple[Synthetic, ...]) -> Evidence:
    """Votes and opinions as arrays, in the order of ``utterances``; a nameless speaker is one per utterance."""
    rows = len(utterances)
    speaker = utterances.frame["speaker"].fill_null("\0" + utterances.frame["utterance_id"])
    return Evidence(
        votes.counts(utterances.frame["utterance_id"]),
        stack([one.q_NK for one in opinions], rows, len(votes.labels)),
        np.stack([one.label_mass_N for one in opinions], axis=1) if opinions else np.zeros((rows, 0)),
        speaker.rank("dense").to_numpy().astype(np.int64),
    )


def mean_opinion(q_NAK: np.ndarray) -> np.ndarray:
    """The mean ``q_NK`` of the ALMs that answered, each alike; nan where none did."""
    answered_NA = np.isfinite(q_NAK).all(2)
    q_NK = np.nan_to_num(q_NAK).sum(1) / np.maximum(answered_NA.sum(1), 1)[:, None]
    return np.where(answered_NA.any(1)[:, None], q_NK, np.nan)


def summary(made: Sources) -> dict[str, Any]:
    """Everything about the model that pooling.json tells."""
    model, labels = made.model, made.model.labels

    def by_label(values: np.ndarray) -> dict[str, float]:
        return dict(zip(labels, values.tolist(), strict=True))

    alms = {}
    for a, (alm, value, opinion) in enumerate(zip(model.alms, made.worth, made.opinions, strict=True)):
        temperature = alm.calibration.temperature
        alms[alm.alm] = {
            "informs": alm.informs,
            "worth_in_human_votes": _interval(value.overall),
            "worth_by_ambiguity": {third: _interval(found) for third, found in value.by_ambiguity.items()},
            "temperature": temperature if np.isfinite(temperature) else None,
            "bias": by_label(alm.calibration.bias_K),
            "matrix": alm.calibration.matrix_KK.tolist(),
            "kappa_weights": dict(zip(FEATURES, alm.weights_F.tolist(), strict=True)),
            "utterances_answered": int(opinion.answered.sum()),
            "answers": int(opinion.answers_N.sum()),
            "refusals": int(opinion.refusals_N.sum()),
            "kappa_deciles": np.quantile(made.pooled.kappa_NA[:, a], np.linspace(0, 1, 11)).tolist(),
        }
    return {
        "labels": list(labels),
        "criterion": model.criterion,
        "fitted_on": model.fitted_on,
        "prior": by_label(model.prior_K),
        "alms": alms,
        "response": {"matrix": model.response_KK.tolist(), "bias": by_label(model.response_bias_K)},
        "utterances": len(made.pooled.p_NK),
        "without_human_votes": int((made.evidence.n_NK.sum(1) <= 0).sum()),
        "from_alm_alone": int(made.pooled.from_alm_N.sum()),
        "from_prior_alone": int(made.pooled.from_prior_N.sum()),
        "statements": statements(made),
    }


def statements(made: Sources) -> list[str]:
    """What the ALMs are worth, as sentences."""
    said = []
    for alm, value in zip(made.model.alms, made.worth, strict=True):
        if not alm.informs:
            said.append(
                f"{alm.alm} is worth 0 human votes: it says nothing of unseen speakers' votes, pooled = human"
            )
            continue
        thirds = ", ".join(f"{found.value:.1f} {third}" for third, found in value.by_ambiguity.items())
        low, high = value.overall.low, value.overall.high
        sure = f" [{low:.1f}, {high:.1f}]" if np.isfinite(low) else ""
        said.append(
            f"{alm.alm} is worth {value.overall.value:.1f}{sure} human votes (by ambiguity: {thirds})"
        )
    return said


def _tables(
    ids: pl.Series,
    labels: tuple[str, ...],
    evidence: Evidence,
    pooled: Pooled,
    model: PoolingModel,
    synthetic_votes: int,
    rng: np.random.Generator,
) -> dict[str, Distributions]:
    n_NK, votes_N, rows = evidence.n_NK, evidence.n_NK.sum(1), len(evidence.n_NK)
    q_NK = mean_opinion(evidence.q_NAK)
    answered_N = np.isfinite(q_NK).all(1)
    counted_N = synthetic_votes * answered_N
    distributions = {
        "human": (n_NK / np.where(votes_N > 0, votes_N, np.nan)[:, None], votes_N, np.zeros(rows)),
        "synthetic": (q_NK, np.zeros(rows), counted_N),
        "combined": (counted(n_NK, q_NK, synthetic_votes, rng), votes_N, counted_N),
        "pooled": (pooled.p_NK, votes_N, pooled.kappa_NA.sum(1)),
    }
    made = {}
    for source, (p_NK, human_N, synthetic_N) in distributions.items():
        nothing_N = ~np.isfinite(p_NK).all(1) | (human_N + synthetic_N <= 0)
        filled_NK = np.where(nothing_N[:, None], model.prior_K, p_NK)
        filled_NK = filled_NK / filled_NK.sum(1, keepdims=True)
        alone_N = (human_N <= 0) & ~nothing_N & (source in ("combined", "pooled"))
        fallback = np.where(nothing_N, "prior", np.where(alone_N, "alm", None))  # type: ignore[call-overload]
        table = Distributions.of(ids, source, filled_NK, labels, human_N, synthetic_N)
        frame = table.frame.with_columns(pl.Series("fallback", fallback.tolist(), dtype=pl.String))
        made[source] = Distributions(frame, labels)
    return made


def _some(evidence: Evidence, rows: int, seed: int) -> Evidence:
    """At most so many rows, drawn by seed."""
    if len(evidence.n_NK) <= rows:
        return evidence
    return evidence.rows(np.sort(np.random.default_rng(seed).choice(len(evidence.n_NK), rows, replace=False)))


def _interval(found: Interval) -> dict[str, float | None]:
    values = {"value": found.value, "low": found.low, "high": found.high}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
