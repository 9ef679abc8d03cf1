"""Coverage of intervals and recovery of the worth of an ALM, on simulated corpora whose truth is known.

Three simulations:

- means: how often a nominal 0.95 interval of a mean holds the truth, by number of speakers: the percentile bootstrap over
  speakers, and the jackknife with quantiles of Student's t (models/statistics/intervals.py);
- worth: the exchange rate of models/pooling/worth.py against that of a corpus of 400 speakers, and against nothing for an
  ALM that answers the prior; the interval by inverting a test, and for comparison a jackknife of log k;
- promotion: how often ten candidates that are as good as the annotator in use lead to a promotion.

    python -m benchmarks.coverage [--only means,worth,cross_fitted,promotion] [--repeats 300]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.annotator_registry.promotion import compare, level_of_trial, pilot_utterances
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel
from ambivox.models.pooling.score_curves import SCORES, ScoreCurves, score_curves
from ambivox.models.pooling.worth import measurable, measure_worth, worth
from ambivox.models.statistics.exchange_rate import exchange_rate
from ambivox.models.statistics.intervals import half_width, mean_interval
from ambivox.models.tables import Utterances, Votes

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
_PRIOR_K = np.array([0.2, 0.1, 0.1, 0.15, 0.3, 0.15])
_VOTES, _KNOWN = 10, 3


def main() -> None:
    """Run the simulations and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="means,worth,cross_fitted,promotion")
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    simulations: dict[str, Callable[[int], None]] = {
        "means": means,
        "worth": transferred,
        "cross_fitted": cross_fitted,
        "promotion": promotion,
    }
    for name in options.only.split(","):
        simulations[name](options.repeats)


def means(repeats: int) -> None:
    """Coverage of intervals of a mean, by number of speakers."""
    print("\n| speakers | utterances per speaker | bootstrap | jackknife, t |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for uneven in (False, True):
        for speakers in (2, 3, 4, 6, 10, 15, 30):
            hits = np.zeros(2)
            for _ in range(repeats * 4):
                size_S = rng.integers(10, 80, speakers) if uneven else np.full(speakers, 40)
                speaker_N = np.repeat(np.arange(speakers), size_S)
                score_N = (
                    0.3 + rng.normal(0, 0.05, speakers)[speaker_N] + rng.gamma(2, 0.05, len(speaker_N)) - 0.1
                )
                sum_S, count_S = np.bincount(speaker_N, score_N), np.bincount(speaker_N)
                times_RS = rng.multinomial(speakers, np.full(speakers, 1 / speakers), 500)
                low, high = np.quantile((times_RS @ sum_S) / (times_RS @ count_S), [0.025, 0.975])
                interval = mean_interval(score_N, speaker_N)
                hits += [low <= 0.3 <= high, interval.low <= 0.3 <= interval.high]
            shares = hits / (repeats * 4)
            sizes = "10 to 79" if uneven else "40"
            print(f"| {speakers} | {sizes} | {shares[0]:.3f} | {shares[1]:.3f} |", flush=True)


@dataclass(frozen=True)
class _Corpus:
    """A simulated corpus: every speaker has an equivalent number of votes of his own around ``kappa``."""

    speakers: int
    kappa: float
    answers: str = "informative"

    def draw(self, rng: np.random.Generator, per_speaker: int = 40) -> PoolingInputs:
        """Votes and answers of one ALM."""
        speaker_N = np.repeat(np.arange(self.speakers), per_speaker)
        rows = len(speaker_N)
        q_NK = rng.dirichlet(1.5 * _PRIOR_K, rows) * 0.98 + 0.02 / len(LABELS)
        kappa_N = (self.kappa * rng.lognormal(0, 0.4, self.speakers))[speaker_N]
        gamma_NK = rng.standard_gamma(kappa_N[:, None] * q_NK) + 1e-12
        n_NK = rng.multinomial(_VOTES, gamma_NK / gamma_NK.sum(1, keepdims=True)).astype(float)
        if self.answers == "prior":
            q_NK = np.tile(_PRIOR_K, (rows, 1))
        return PoolingInputs(n_NK, q_NK[:, None], np.ones((rows, 1)), speaker_N)


def _fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
    names = [f"alm{a}" for a in alms]
    return fit_pooling(LABELS, names, part.with_alms(alms), np.full(1, float(known)))


def _curves(train: PoolingInputs, test: PoolingInputs) -> Callable[[PoolingInputs], ScoreCurves]:
    """Scoring of any utterances with models fitted on ``train``."""
    plan = measurable(test.slots_NK, _KNOWN)
    assert plan is not None
    models = _fit((0,), train, plan[0]), _fit((), train, plan[0])
    return lambda inputs: score_curves(*models, inputs, *plan)


def transferred(repeats: int) -> None:
    """Recovery and coverage of the worth on new speakers, with fixed models."""
    print("\n| kappa | speakers | score | truth | mean of estimates | coverage | jackknife of log k |")
    print("|---|---|---|---|---|---|---|")
    for kappa in (1.5, 4.0):
        rng = np.random.default_rng(int(kappa * 10))
        corpus = _Corpus(60, kappa)
        curves = _curves(corpus.draw(rng), corpus.draw(rng))
        truth = worth("alm", _KNOWN, curves(_Corpus(400, kappa).draw(rng))).overall
        for speakers in (4, 6, 15):
            rates: dict[str, list[tuple[float, bool, bool]]] = {score: [] for score in SCORES}
            for _ in range(repeats):
                found = curves(_Corpus(speakers, kappa).draw(rng))
                overall = worth("alm", _KNOWN, found).overall
                for score in SCORES:
                    true, rate = truth[score].value, overall[score]
                    low, high = _log_jackknife(found, score, rate.value)
                    rates[score].append((rate.value, rate.low <= true <= rate.high, low <= true <= high))
            for score in SCORES:
                values, covered, by_log = (np.array(column) for column in zip(*rates[score], strict=True))
                mean = values[np.isfinite(values)].mean()
                print(
                    f"| {kappa} | {speakers} | {score} | {truth[score].value:.2f} | {mean:.2f} | {covered.mean():.3f} "
                    f"| {by_log.mean():.3f} |",
                    flush=True,
                )


def _log_jackknife(curves: ScoreCurves, score: str, value: float) -> tuple[float, float]:
    """The interval of log k by leaving every speaker out; without limits where k is 0 or unknown."""
    speaker_N = curves.inputs.speaker_N
    speakers, count_S = np.unique(speaker_N, return_counts=True)
    without = []
    for speaker in speakers:
        kept_N = speaker_N != speaker
        rate = exchange_rate(curves.with_alm[score][kept_N], curves.without_alm[score][kept_N])
        without.append(rate.value)
    without_S = np.array(without)
    if not (value > 0 and np.isfinite(value) and (without_S > 0).all() and np.isfinite(without_S).all()):
        return 0.0, float("inf")
    factor = np.exp(half_width(np.log(value), np.log(without_S), count_S))
    return value / factor, value * factor


def cross_fitted(repeats: int) -> None:
    """The whole of ``measure_worth``: models are fitted on the other speakers of the same small corpus.

    The truth is what models of so few speakers are worth on 100 new ones, on average over ten fits.
    """
    print(
        "\n| answers | speakers | score | truth | mean of estimates | coverage |\n|---|---|---|---|---|---|"
    )
    for answers in ("informative", "prior"):
        rng = np.random.default_rng(7)
        truth = dict.fromkeys(SCORES, 0.0)
        if answers == "informative":
            fits = [_curves(_Corpus(12, 3.0).draw(rng), _Corpus(12, 3.0).draw(rng)) for _ in range(10)]
            rates = [worth("alm", _KNOWN, curves(_Corpus(100, 3.0).draw(rng))).overall for curves in fits]
            truth = {score: float(np.mean([rate[score].value for rate in rates])) for score in SCORES}
        found: dict[str, list[tuple[float, bool]]] = {score: [] for score in SCORES}
        for seed in range(max(repeats // 8, 1)):
            rng = np.random.default_rng([8, seed])
            measured = measure_worth(["alm"], _Corpus(15, 3.0, answers).draw(rng), _KNOWN, _fit, seed=seed)[0]
            assert measured is not None
            for score, rate in measured.overall.items():
                found[score].append((rate.value, rate.low <= truth[score] <= rate.high))
        for score in SCORES:
            values, covered = (np.array(column) for column in zip(*found[score], strict=True))
            print(
                f"| {answers} | 15 | {score} | {truth[score]:.2f} | {values[np.isfinite(values)].mean():.2f} "
                f"| {covered.mean():.3f} |",
                flush=True,
            )


def promotion(repeats: int) -> None:
    """Ten equally good candidates in a row, on one pilot of 200 utterances, without a margin."""
    print(
        "\n| speakers | rounds of ten trials | rounds with a false promotion | trials | of tempered copies |"
    )
    print("|---|---|---|---|---|")
    rounds = max(repeats // 10, 1)
    for speakers in (8, 20):
        promoted = tempered = 0
        for seed in range(rounds):
            rng = np.random.default_rng([9, speakers, seed])
            votes, pilot, truth_NK = _pilot(rng, speakers)
            in_use_NK = _noisy(truth_NK, rng)
            is_promoted = is_tempered = False
            for number in range(1, 11):
                level = level_of_trial(number)
                candidate_NK = _noisy(truth_NK, rng)
                is_promoted |= compare(votes, pilot, candidate_NK, in_use_NK, level=level).better_by(0.0)
                if number in (1, 2):
                    power_NK = in_use_NK ** (0.4 if number == 1 else 2.5)
                    copy_NK = power_NK / power_NK.sum(1, keepdims=True)
                    is_tempered |= compare(votes, pilot, copy_NK, in_use_NK, level=level).better_by(0.005)
            promoted, tempered = promoted + is_promoted, tempered + is_tempered
        print(f"| {speakers} | {rounds} | {promoted} | {10 * rounds} | {tempered} of {rounds} |", flush=True)


def _noisy(truth_NK: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    q_NK = rng.standard_gamma(6 * truth_NK + 0.05) + 1e-3
    return np.asarray(q_NK / q_NK.sum(1, keepdims=True))


def _pilot(rng: np.random.Generator, speakers: int) -> tuple[Votes, Utterances, np.ndarray]:
    """A corpus of 400 utterances with 5 to 8 votes, its pilot of 200, and the pilot's true distributions."""
    rows = 400
    truth_NK = rng.dirichlet(2 * _PRIOR_K, rows)
    ids = [f"u{row:03d}" for row in range(rows)]
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "simulated",
            "audio": ids,
            "audio_sha256": ids,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16000,
            "speaker": [f"s{row % speakers}" for row in range(rows)],
            "split": "train",
        }
    )
    votes = [
        (ids[row], f"r{vote}", "human", LABELS[label], 1.0)
        for row in range(rows)
        for vote, label in enumerate(rng.choice(len(LABELS), 5 + row % 4, p=truth_NK[row]))
    ]
    columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    table = Votes.check(pl.DataFrame(votes, columns, orient="row"), LABELS)
    pilot = pilot_utterances(Utterances.check(frame, LABELS), table, 200)
    row_of = {name: row for row, name in enumerate(ids)}
    return table, pilot, truth_NK[[row_of[name] for name in pilot.frame["utterance_id"]]]


if __name__ == "__main__":
    main()
