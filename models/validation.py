"""Validation: how close every source of distributions comes to human votes that it has not seen.

Targets are human votes of the test split only: the held-back ones where there are any, otherwise all of
them (then the sources that were made from these very votes are marked, since their figures say nothing).
Beside the sources stand the corpus *prior* (the distribution of the training speakers' votes for every
utterance) and the *ceiling* (people against people: one random half of an utterance's votes predicts the
other).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from models import metrics
from models.agreement import fleiss_kappa, krippendorff_alpha
from models.ambiguity import DEFINITIONS, TERTILES, ambiguity, shares, tertiles
from models.bootstrap import Interval, PairedTest, holm, mean_interval, paired_test, ratio_interval
from models.errors import UserError
from models.saturation import Saturation, saturation
from models.synthetic import Synthetic
from models.tables import SOURCES, Distributions, Utterances, Votes
from models.vote_draws import draw_votes

CEILING_DRAWS = 10
_FROM_HUMAN_VOTES = ("human", "combined", "pooled")


@dataclass(frozen=True)
class Validation:
    """Scores of N test utterances (rows of ``scores``) and everything that is computed from them."""

    labels: tuple[str, ...]
    target: str  # "held-out votes" or "all votes"
    utterances: pl.DataFrame  # of the rows
    truth_NK: np.ndarray
    predictions: dict[str, np.ndarray]  # p_NK by source, prior included
    js: dict[str, np.ndarray]  # js_N by source, prior and ceiling included; nan where it is undefined
    bc: dict[str, np.ndarray]
    known_truth: dict[str, Interval]  # JS to the known truth by source, where there is one
    ambiguity: dict[str, np.ndarray]  # by definition
    raters: dict[str, float]  # agreement of the human votes
    saturation: dict[str, Saturation] = field(default_factory=dict)  # by ALM
    level: float = 0.95
    resamples: int = 1000
    seed: int = 0

    @property
    def speakers(self) -> list[str | None]:
        """The speaker of every row."""
        return self.utterances["speaker"].to_list()

    def interval(self, score_N: np.ndarray, mask_N: np.ndarray | None = None) -> Interval:
        """Mean of a score with its bootstrap interval over speakers; undefined rows are left out."""
        used_N = np.isfinite(score_N) if mask_N is None else np.isfinite(score_N) & mask_N
        groups = [speaker for speaker, used in zip(self.speakers, used_N, strict=True) if used]
        return mean_interval(
            score_N[used_N], groups, resamples=self.resamples, level=self.level, seed=self.seed
        )

    def ratio(self, source: str, to: str = "human", mask_N: np.ndarray | None = None) -> Interval:
        """Mean JS of ``source`` over that of ``to``, on rows where both are defined."""
        used_N = np.isfinite(self.js[source]) & np.isfinite(self.js[to])
        used_N = used_N if mask_N is None else used_N & mask_N
        groups = [speaker for speaker, used in zip(self.speakers, used_N, strict=True) if used]
        return ratio_interval(
            self.js[source][used_N], self.js[to][used_N], groups,
            resamples=self.resamples, level=self.level, seed=self.seed,
        )  # fmt: skip


def validate(
    utterances: Utterances,
    votes: Votes,
    heldout: Votes,
    distributions: dict[str, Distributions],
    opinions: tuple[Synthetic, ...],
    test: Utterances,
    *,
    truth: Distributions | None = None,
    saturation_votes: int = 20,
    resamples: int = 1000,
    seed: int = 0,
) -> Validation:
    """Score every source against the human votes of the test utterances.

    Args:
        utterances: all of the corpus (the prior comes from those of the split "train").
        votes: the human votes that the sources were made from.
        heldout: those held back; may be empty.
        distributions: tables by source.
        opinions: the ALMs' answers for ``test``, row by row.
        test: the utterances of the split "test".
        truth: known distributions, where the corpus is made up.
        saturation_votes: the longest run of synthetic votes.
        resamples: of every bootstrap.
        seed: of all drawing.

    Raises:
        UserError: label sets that differ, or no test utterance with a vote to be scored against.
    """
    labels = votes.labels
    for name, table in [("heldout", heldout), *distributions.items(), *([("truth", truth)] if truth else [])]:
        if table is not None and table.labels != labels:
            raise UserError(
                f"{name} is about the labels {list(table.labels)}, the votes about {list(labels)}"
            )
    ids = test.frame["utterance_id"]
    kept_NK, held_NK = votes.counts(ids), heldout.counts(ids)
    holding = bool(held_NK.sum() > 0)
    target_NK = held_NK if holding else kept_NK
    scored_N = target_NK.sum(1) > 0
    if not scored_N.any():
        raise UserError(
            "no utterance of the split test has a human vote to be scored against; "
            "ingest with --keep-votes, or give the test speakers votes"
        )
    ids, kept_NK, target_NK = ids.filter(pl.Series(scored_N)), kept_NK[scored_N], target_NK[scored_N]
    all_NK = kept_NK + held_NK[scored_N]
    truth_NK = shares(target_NK)
    train_K = votes.counts(utterances.in_splits("train").frame["utterance_id"]).sum(0) + 0.5
    predictions = {
        source: distributions[source].aligned(ids) for source in SOURCES if source in distributions
    }
    predictions |= {
        source: table.aligned(ids) for source, table in distributions.items() if source not in SOURCES
    }
    predictions["prior"] = np.tile(train_K / train_K.sum(), (len(ids), 1))
    js = {source: metrics.jensen_shannon(truth_NK, p_NK) for source, p_NK in predictions.items()}
    bc = {source: metrics.bhattacharyya(truth_NK, p_NK) for source, p_NK in predictions.items()}
    js["ceiling"], bc["ceiling"] = split_half(all_NK, seed=seed)
    made = Validation(
        labels, "held-out votes" if holding else "all votes", test.frame.filter(pl.Series(scored_N)),
        truth_NK, predictions, js, bc, {}, {name: ambiguity(all_NK, name) for name in DEFINITIONS},
        {"fleiss_kappa": fleiss_kappa(all_NK), "krippendorff_alpha": krippendorff_alpha(all_NK),
         "votes_per_utterance": float(all_NK.sum(1).mean())},
        resamples=resamples, seed=seed,
    )  # fmt: skip
    if truth is not None:
        known_NK = truth.aligned(ids)
        for source, p_NK in predictions.items():
            made.known_truth[source] = made.interval(metrics.jensen_shannon(known_NK, p_NK))
    for opinion in opinions:
        q_NK = opinion.q_NK[scored_N]
        answered_N = np.isfinite(q_NK).all(1)
        if answered_N.any():
            made.saturation[opinion.alm] = saturation(
                truth_NK[answered_N], q_NK[answered_N], votes=saturation_votes, seed=seed
            )
    return made


def split_half(
    n_NK: np.ndarray, *, draws: int = CEILING_DRAWS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """JS and BC between random halves of every utterance's votes, averaged over draws; nan below two votes."""
    rng = np.random.default_rng(seed)
    votes_N = np.ceil(n_NK - 1e-9).sum(1)
    enough_N = votes_N >= 2
    js_N, bc_N = np.full(len(n_NK), np.nan), np.full(len(n_NK), np.nan)
    js_N[enough_N], bc_N[enough_N] = 0.0, 0.0
    for _ in range(draws):
        first_NK = draw_votes(n_NK, votes_N // 2, rng)
        halves = shares(first_NK[enough_N]), shares(np.maximum(n_NK - first_NK, 0)[enough_N])
        js_N[enough_N] += metrics.jensen_shannon(*halves) / draws
        bc_N[enough_N] += metrics.bhattacharyya(*halves) / draws
    return js_N, bc_N


def headline(made: Validation) -> dict[str, dict[str, Any]]:
    """Per source the paper's measures, as stored in metrics.json (JS is the base-2 divergence; nan is null)."""
    rows = {}
    for source in made.js:
        js, bc = made.interval(made.js[source]), made.interval(made.bc[source])
        row: dict[str, Any] = {
            "js": js.value, "js_low": js.low, "js_high": js.high, "bc": bc.value, "bc_low": bc.low,
            "bc_high": bc.high, "utterances": int(np.isfinite(made.js[source]).sum()),
        }  # fmt: skip
        if "human" in made.js:
            ratio = made.ratio(source)
            row |= {
                "js_over_human": ratio.value,
                "js_over_human_low": ratio.low,
                "js_over_human_high": ratio.high,
            }
        if source in made.predictions:
            row |= _classification(made, made.predictions[source])
        if source in made.known_truth:
            known = made.known_truth[source]
            row |= {"js_truth": known.value, "js_truth_low": known.low, "js_truth_high": known.high}
        if made.target == "all votes" and source in _FROM_HUMAN_VOTES:
            row["made_from_the_target"] = True
        rows[source] = finite(row)
    return rows


def _classification(made: Validation, p_NK: np.ndarray) -> dict[str, float]:
    truth_NK = made.truth_NK
    right = made.interval((truth_NK.argmax(1) == p_NK.argmax(1)).astype(np.float64))
    r2_K = metrics.r2_per_label(truth_NK, p_NK)
    return {
        "accuracy": right.value, "accuracy_low": right.low, "accuracy_high": right.high,
        "f1_macro": metrics.f1_macro(truth_NK, p_NK), "f1_weighted": metrics.f1_weighted(truth_NK, p_NK),
        "r2": float(np.nanmean(r2_K)) if np.isfinite(r2_K).any() else float("nan"),
        "ece": metrics.expected_calibration_error(truth_NK, p_NK), "entropy":
        float(metrics.entropy(p_NK).mean()),
    }  # fmt: skip


def details(made: Validation) -> dict[str, Any]:
    """Everything else, as stored in details.json."""
    return finite({
        "target": made.target, "labels": list(made.labels), "utterances": len(made.truth_NK),
        "speakers": len(set(made.speakers)), "target_entropy": float(metrics.entropy(made.truth_NK).mean()),
        "human_agreement": made.raters, "paired_tests": _tests(made), "tertiles": by_tertile(made),
        "saturation": {alm: _saturation(found) for alm, found in made.saturation.items()},
        "calibration": {source: _curve(made.truth_NK, p_NK) for source, p_NK in made.predictions.items()},
        "per_label": by_label(made), "per_group": by_group(made),
    })  # fmt: skip


def _tests(made: Validation) -> list[dict[str, Any]]:
    """JS of every source against the human-only one and of pooled against all, tested in pairs over speakers."""
    sources = [source for source in made.js if source != "ceiling"]
    pairs = [("pooled", other) for other in sources if other != "pooled"] if "pooled" in sources else []
    pairs += (
        [(one, "human") for one in sources if one not in ("human", "pooled")] if "human" in sources else []
    )
    found: list[tuple[str, str, PairedTest]] = [
        (one, other, paired_test(made.js[one], made.js[other], made.speakers, seed=made.seed))
        for one, other in pairs
    ]
    adjusted = holm(np.array([test.p_value for _, _, test in found]))
    return [
        {"first": one, "second": other, "difference": test.difference.value, "low": test.difference.low,
         "high": test.difference.high, "p_value": test.p_value, "p_holm": float(holmed),
         "share_of_utterances_where_first_is_closer": test.share_lower, "speakers": test.groups}
        for (one, other, test), holmed in zip(found, adjusted, strict=True)
    ]  # fmt: skip


def by_tertile(made: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS (and its ratio to the human-only one) per definition of ambiguity, tertile and source."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for definition, ambiguity_N in made.ambiguity.items():
        third_N = tertiles(ambiguity_N)
        tables[definition] = {
            name: {source: _cell(made, source, third_N == third) for source in made.js}
            for third, name in enumerate(TERTILES)
        }
    return tables


def by_label(made: Validation) -> dict[str, dict[str, dict[str, float]]]:
    """Per source and label: R2, F1, and the mean probability beside the humans' (a bias shows there)."""
    target_K = made.truth_NK.mean(0)
    tables = {}
    for source, p_NK in made.predictions.items():
        r2_K, f1_K = metrics.r2_per_label(made.truth_NK, p_NK), metrics.f1_per_label(made.truth_NK, p_NK)
        tables[source] = {
            label: {"r2": float(r2_K[k]), "f1": float(f1_K[k]), "mean": float(p_NK[:, k].mean()),
                    "mean_of_humans": float(target_K[k])}
            for k, label in enumerate(made.labels)
        }  # fmt: skip
    return tables


def by_group(made: Validation) -> dict[str, dict[str, dict[str, Any]]]:
    """JS per speaker group (sex, age band) and source, where the corpus knows them."""
    age = pl.col("age")
    bands = pl.when(age < 30).then(pl.lit("under 30")).when(age < 45).then(pl.lit("30 to 44"))
    groups = made.utterances.select("sex", age=bands.when(age.is_not_null()).then(pl.lit("45 and over")))
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for column in groups.columns:
        values = groups[column].to_numpy()
        tables[column] = {
            str(value): {source: _cell(made, source, values == value) for source in made.js}
            for value in groups[column].drop_nulls().unique().sort()
        }
    return tables


def _cell(made: Validation, source: str, mask_N: np.ndarray) -> dict[str, Any]:
    found = made.interval(made.js[source], mask_N)
    cell: dict[str, Any] = {"js": found.value, "low": found.low, "high": found.high}
    cell["utterances"] = int((np.isfinite(made.js[source]) & mask_N).sum())
    if "human" in made.js:
        ratio = made.ratio(source, mask_N=mask_N)
        cell |= {"over_human": ratio.value, "over_human_low": ratio.low, "over_human_high": ratio.high}
    return cell


def _saturation(found: Saturation) -> dict[str, Any]:
    return {
        "votes": found.votes_V.tolist(), "js": found.js_V.tolist(), "low": found.js_low_V.tolist(),
        "high": found.js_high_V.tolist(), "fit": list(found.fit) if found.fit else None, "point": found.point,
        "asymptote": found.asymptote,
    }  # fmt: skip


def _curve(truth_NK: np.ndarray, p_NK: np.ndarray) -> dict[str, Any]:
    curve = metrics.calibration_curve(truth_NK, p_NK)
    return {
        "edges": curve.edges.tolist(), "count": curve.count_B.tolist(), "confidence":
        curve.confidence_B.tolist(), "accuracy": curve.accuracy_B.tolist(), "ece": curve.error,
    }  # fmt: skip


def finite(value: Any) -> Any:
    """``value`` with every nan and infinity replaced by None, as JSON has neither."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def scores(made: Validation) -> pl.DataFrame:
    """One row per utterance: its speaker, ambiguity, tertiles, and the JS of every source (null if undefined)."""
    columns: dict[str, Any] = {
        "utterance_id": made.utterances["utterance_id"],
        "speaker": made.utterances["speaker"],
    }
    for definition, ambiguity_N in made.ambiguity.items():
        columns[f"ambiguity_{definition}"] = ambiguity_N
        columns[f"tertile_{definition}"] = tertiles(ambiguity_N)
    columns |= {f"js_{source}": js_N for source, js_N in made.js.items()}
    return pl.DataFrame(columns).fill_nan(None)
