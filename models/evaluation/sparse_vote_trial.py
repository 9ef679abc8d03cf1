"""The sparse-vote trial: keep k votes of every test utterance, predict the rest, with many raters to check
by.

On a corpus with many raters k votes are drawn, the sources are made from them, and each is scored by its JS
to the votes that were not drawn. The ALM and the pooling model know neither the test speakers' clips nor
their votes; the model is fitted on all votes of the training speakers ("pooled") or on k votes of them too
("pooled, k votes everywhere"). ``intent`` is an oracle: where actors were told which emotion to play, the
training speakers' vote distribution for that emotion takes the ALM's place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.fit import Evidence, fit_pooling
from ambivox.models.pooling.pooled import Criterion, PoolingModel, counted, pool
from ambivox.models.pooling.sources import FIT_SPLITS, gather, mean_opinion
from ambivox.models.pooling.synthetic import Synthetic
from ambivox.models.progress import track
from ambivox.models.statistics import metrics
from ambivox.models.statistics.ambiguity import DEFINITIONS, TERTILES, ambiguity, shares, tertiles
from ambivox.models.statistics.bootstrap import Interval, mean_interval, paired_test, ratio_interval
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import Utterances, Votes

_CREMA_D = re.compile(r"(?:^|/)\d{4}_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_[A-Z]{2}$")


@dataclass(frozen=True)
class Trial:
    """Scores of every number of kept votes: ``js[k][source]`` is ``js_N`` of ``utterances[k]``, draws averaged."""

    utterances: dict[int, pl.DataFrame]
    js: dict[int, dict[str, np.ndarray]]
    tertile: dict[int, dict[str, np.ndarray]]  # by definition
    kappa: dict[int, dict[str, float]]  # mean kappa by ALM (and of the oracle)
    resamples: int
    seed: int


def trial(
    utterances: Utterances,
    votes: Votes,
    opinions: tuple[Synthetic, ...],
    *,
    kept: tuple[int, ...] = (1, 3, 5),
    draws: int = 5,
    criterion: Criterion = "js",
    synthetic_votes: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> Trial:
    """Run the trial.

    Args:
        utterances: of the corpus, all splits.
        votes: all human votes.
        opinions: the ALMs', for the utterances outside the split pretrain, in their order.
        kept: numbers of votes that are kept.
        draws: of those votes; scores are averaged over them.
        criterion: of the pooling fit.
        synthetic_votes: the ALMs' votes in "combined".
        resamples: of the bootstrap.
        seed: of all drawing.

    Raises:
        UserError: no training speaker with votes, or no test utterance with more votes than are kept.
    """
    chosen = utterances.in_splits("train", "development", "test")
    evidence = gather(chosen, votes, opinions)
    split_N = chosen.frame["split"].to_numpy()
    fit_N, test_N = np.isin(split_N, FIT_SPLITS), split_N == "test"
    if not (evidence.n_NK[fit_N].sum() > 0):
        raise UserError(
            "no utterance of the splits train and development has a vote, so nothing can be fitted"
        )
    intent_NK = intended_distributions(utterances, votes, chosen)
    made = Trial({}, {}, {}, {}, resamples, seed)
    for k in track(kept, "votes kept", len(kept)):
        scored_N = test_N & (evidence.n_NK.sum(1) > k)
        if k < 1 or not scored_N.any():
            raise UserError(f"no utterance of the split test has more than the {k} votes that are to be kept")
        test = evidence.rows(scored_N)
        model_of = _Fits(votes.labels, [one.alm for one in opinions], evidence, fit_N, k, criterion, seed)
        scores, kappas = [], []
        for draw in range(draws):
            rng = np.random.default_rng([seed, k, draw])
            score, kappa = _score(test, model_of, k, synthetic_votes, rng, intent_NK, scored_N)
            scores.append(score)
            kappas.append(kappa)
        made.js[k] = {source: np.mean([score[source] for score in scores], axis=0) for source in scores[0]}
        made.kappa[k] = {alm: float(np.mean([kappa[alm] for kappa in kappas])) for alm in kappas[0]}
        made.utterances[k] = chosen.frame.filter(pl.Series(scored_N)).select("utterance_id", "speaker")
        made.tertile[k] = {name: tertiles(ambiguity(test.n_NK, name)) for name in DEFINITIONS}
    return made


class _Fits:
    """The models of one number of kept votes, each fitted once."""

    def __init__(
        self,
        labels: tuple[str, ...],
        alms: list[str],
        evidence: Evidence,
        fit_N: np.ndarray,
        k: int,
        criterion: Criterion,
        seed: int,
    ) -> None:
        self._labels, self._criterion, self._seed = labels, criterion, seed
        self._oracle: PoolingModel | None = None
        self._fit_N, self._k = fit_N, np.full(1, float(k))
        full = evidence.rows(fit_N)
        rng = np.random.default_rng([seed, k])
        sparse_NK = draw_votes(full.n_NK, np.full(len(full.n_NK), k), rng)
        sparse = Evidence(sparse_NK, full.q_NAK, full.label_mass_NA, full.speaker_N)
        self.pooled = self._fitted(alms, full)
        self.sparse = self._fitted(alms, sparse)
        self.full = full
        self.prior_K = self.pooled.prior_K

    def intent(self, intent_NK: np.ndarray) -> PoolingModel:
        """The model with the oracle in the ALM's place."""
        if self._oracle is None:
            mass_N1 = np.ones((len(self.full.n_NK), 1))
            seen = Evidence(self.full.n_NK, intent_NK[self._fit_N][:, None], mass_N1, self.full.speaker_N)
            self._oracle = self._fitted(["intent"], seen)
        return self._oracle

    def _fitted(self, alms: list[str], evidence: Evidence) -> PoolingModel:
        return fit_pooling(self._labels, alms, evidence, self._k, criterion=self._criterion, seed=self._seed)


def _score(
    test: Evidence,
    models: _Fits,
    k: int,
    synthetic_votes: int,
    rng: np.random.Generator,
    intent_NK: np.ndarray | None,
    scored_N: np.ndarray,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """JS of every source to the votes that this draw left, and the mean kappas."""
    kept_NK = draw_votes(test.n_NK, np.full(len(test.n_NK), k), rng)
    truth_NK = shares(np.maximum(test.n_NK - kept_NK, 0))
    prior_NK = np.tile(models.prior_K, (len(kept_NK), 1))
    q_NK = mean_opinion(test.q_NAK)
    q_NK = np.where(np.isfinite(q_NK).all(1)[:, None], q_NK, prior_NK)
    pooled = pool(models.pooled, kept_NK, test.q_NAK, test.label_mass_NA)
    answers = {
        "human": shares(kept_NK),
        "synthetic": q_NK,
        "combined": counted(kept_NK, q_NK, synthetic_votes, rng),
        "pooled": pooled.p_NK,
        "pooled_k_everywhere": pool(models.sparse, kept_NK, test.q_NAK, test.label_mass_NA).p_NK,
        "prior": prior_NK,
    }
    kappa = {alm.alm: float(pooled.kappa_NA[:, a].mean()) for a, alm in enumerate(models.pooled.alms)}
    if intent_NK is not None:
        oracle = pool(models.intent(intent_NK), kept_NK, intent_NK[scored_N][:, None])
        answers["intent"] = oracle.p_NK
        kappa["intent"] = float(oracle.kappa_NA.mean())
    return {source: metrics.jensen_shannon(truth_NK, p_NK) for source, p_NK in answers.items()}, kappa


def intended_distributions(utterances: Utterances, votes: Votes, chosen: Utterances) -> np.ndarray | None:
    """Per utterance of ``chosen`` how others' clips of its intended emotion were heard; None without intents.

    The intended emotion stands in a CREMA-D clip's name. Votes of test speakers are not looked at.
    """
    everyone = utterances.frame
    intents = pl.Series(
        [found[1] if (found := _CREMA_D.search(name)) else None for name in everyone["utterance_id"]]
    )
    if intents.null_count():
        return None
    known = everyone.with_columns(intents.alias("_intent")).filter(pl.col("split") != "test")
    n_NK = votes.counts(known["utterance_id"])
    names = sorted(set(intents.to_list()))
    heard_IK = np.stack([n_NK[(known["_intent"] == name).to_numpy()].sum(0) + 0.5 for name in names])
    heard_IK /= heard_IK.sum(1, keepdims=True)
    of = dict(zip(everyone["utterance_id"].to_list(), intents.to_list(), strict=True))
    return heard_IK[[names.index(of[name]) for name in chosen.frame["utterance_id"].to_list()]]


def table(made: Trial) -> list[dict[str, Any]]:
    """One row per number of kept votes and source: JS, and its ratio to the human-only one, overall and by tertile."""
    rows = []
    for k, scores in made.js.items():
        groups = made.utterances[k]["speaker"].to_list()
        for source, js_N in scores.items():
            test = paired_test(js_N, scores["human"], groups, seed=made.seed)
            row: dict[str, Any] = {
                "votes": k,
                "source": source,
                "utterances": len(js_N),
                "js": _plain(mean_interval(js_N, groups, resamples=made.resamples, seed=made.seed)),
                "over_human": _plain(_ratio(made, k, source, None)),
                "p_value": test.p_value,
            }
            for definition, third_N in made.tertile[k].items():
                row[definition] = {
                    name: _plain(_ratio(made, k, source, third_N == third))
                    for third, name in enumerate(TERTILES)
                }
            rows.append(row)
    return rows


def _ratio(made: Trial, k: int, source: str, mask_N: np.ndarray | None) -> Interval:
    mask_N = np.ones(len(made.js[k][source]), dtype=bool) if mask_N is None else mask_N
    groups = made.utterances[k]["speaker"].filter(pl.Series(mask_N)).to_list()
    return ratio_interval(
        made.js[k][source][mask_N],
        made.js[k]["human"][mask_N],
        groups,
        resamples=made.resamples,
        seed=made.seed,
    )


def _plain(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def scores(made: Trial) -> pl.DataFrame:
    """One row per number of kept votes and utterance: tertiles, and the JS of every source."""
    return pl.concat(
        [
            made.utterances[k].with_columns(
                pl.lit(k).alias("votes"),
                *(pl.Series(f"tertile_{name}", third_N) for name, third_N in made.tertile[k].items()),
                *(pl.Series(f"js_{source}", js_N) for source, js_N in score.items()),
            )
            for k, score in made.js.items()
        ]
    )
