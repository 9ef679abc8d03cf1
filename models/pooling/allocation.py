"""Which utterances deserve the next human votes: those whose pooled distribution one more vote moves most.

The expected fall of an utterance's uncertainty by one vote is ``sum_k p_k JS(p, p after a vote for k)``, p being
the pooled distribution: the more is already known (votes, or an ALM worth many) and the surer it is, the
less a vote changes. The j-th further vote is taken to change less by ((A + 1) / (A + 1 + j))^2, A = N + kappa, as
the variance of a Dirichlet's mean does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.pooling.fit import Evidence
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.bootstrap import Interval
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.vote_draws import draw_votes

MOST_PER_UTTERANCE = 20


def expected_fall(model: PoolingModel, evidence: Evidence) -> np.ndarray:
    """The expected fall of every utterance's uncertainty by one more vote, ``fall_N``, in JS (bits)."""
    labels = len(model.labels)
    now = pool(model, evidence.n_NK, evidence.q_NAK, evidence.label_mass_NA)
    likely_NK = np.where(np.isfinite(now.posterior_mean_NK), now.posterior_mean_NK, model.prior_K)
    fall_N = np.zeros(len(evidence.n_NK))
    for label in range(labels):  # a loop over labels, never over utterances
        vote_K = np.eye(labels)[label]
        after = pool(model, evidence.n_NK + vote_K, evidence.q_NAK, evidence.label_mass_NA)
        fall_N += likely_NK[:, label] * jensen_shannon(now.p_NK, after.p_NK)
    return fall_N


def plan(model: PoolingModel, evidence: Evidence, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Spend ``budget`` votes where they are expected to help most: ``(votes_N, fall_N)``.

    Returns:
        How many further votes every utterance gets, and the expected fall by its first one.

    Raises:
        UserError: a budget below 1.
    """
    if budget < 1:
        raise UserError(f"the budget must be at least 1 vote, found {budget}")
    fall_N = expected_fall(model, evidence)
    kappa_N = pool(model, evidence.n_NK, evidence.q_NAK, evidence.label_mass_NA).kappa_NA.sum(1)
    known_N1 = (evidence.n_NK.sum(1) + kappa_N + 1)[:, None]
    fall_NJ = fall_N[:, None] * (known_N1 / (known_N1 + np.arange(MOST_PER_UTTERANCE))) ** 2
    order = np.argsort(-fall_NJ, axis=None, kind="stable")[:budget]
    return np.bincount(order // MOST_PER_UTTERANCE, minlength=len(fall_N)), fall_N


@dataclass(frozen=True)
class Simulation:
    """Mean JS to votes held out, after so many further votes per utterance, planned or drawn at random."""

    votes_per_utterance: np.ndarray
    planned: np.ndarray
    at_random: np.ndarray
    saved: dict[float, Interval]  # by random votes per utterance: share of them that planning saves

    @property
    def least_saved(self) -> float:
        """The smallest mean saving of all budgets."""
        return min(found.value for found in self.saved.values())


def simulate(
    model: PoolingModel,
    evidence: Evidence,
    *,
    start: int = 1,
    held: int = 4,
    budgets: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0),
    repeats: int = 10,
    seed: int = 0,
) -> Simulation:
    """Play planning against random allocation with votes that are there.

    ``held`` votes of every utterance are held out for scoring, ``start`` are known from the beginning, and the
    others are answers to be had. In rounds of a twentieth of the utterances, the ones with the largest expected
    fall get a vote; at random, any do. The model must not have been fitted on these utterances.

    Args:
        model: fitted on other speakers.
        evidence: utterances with all their votes.
        start: votes known at first.
        held: votes to score against.
        budgets: random votes per utterance at which savings are reported.
        repeats: independent plays; the intervals are their 2.5 and 97.5 % points.
        seed: of all drawing.

    Raises:
        UserError: no utterance has more votes than are held out and known at first.
    """
    enough_N = evidence.n_NK.sum(1) > held + start
    if not enough_N.any():
        raise UserError(f"no utterance has more than {held + start} votes, so allocation cannot be simulated")
    some = evidence.rows(enough_N)
    rows = len(some.n_NK)
    grid = np.linspace(0, max(budgets), 61)
    planned: list[np.ndarray] = []
    at_random: list[np.ndarray] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        available_NK = draw_votes(some.n_NK, some.n_NK.sum(1) - held, rng)
        first_NK = draw_votes(available_NK, np.full(rows, start), rng)
        for curves, planning in ((planned, True), (at_random, False)):
            curves.append(_play(model, some, available_NK, first_NK, grid, planning, rng))
    planned_RB, random_RB = np.stack(planned), np.stack(at_random)
    saved = {}
    for budget in budgets:
        saved_R = np.array(
            [_saved(grid, one, other, budget) for one, other in zip(planned_RB, random_RB, strict=True)]
        )
        low, high = np.quantile(saved_R, [0.025, 0.975])
        saved[budget] = Interval(
            _saved(grid, planned_RB.mean(0), random_RB.mean(0), budget), float(low), float(high)
        )
    return Simulation(grid, planned_RB.mean(0), random_RB.mean(0), saved)


def _play(
    model: PoolingModel,
    some: Evidence,
    available_NK: np.ndarray,
    first_NK: np.ndarray,
    grid: np.ndarray,
    planning: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mean JS to the held-out votes on ``grid`` (further votes per utterance)."""
    rows = len(first_NK)
    held_NK = some.n_NK - available_NK
    truth_NK = held_NK / held_NK.sum(1, keepdims=True)
    n_NK, spent, spending, js = first_NK.copy(), 0.0, [0.0], []
    while True:
        known = Evidence(n_NK, some.q_NAK, some.label_mass_NA, some.speaker_N)
        p_NK = pool(model, n_NK, some.q_NAK, some.label_mass_NA).p_NK
        js.append(float(jensen_shannon(truth_NK, p_NK).mean()))
        left_NK = available_NK - n_NK
        open_N = np.flatnonzero(left_NK.sum(1) > 0)
        if spent >= grid[-1] * rows or not len(open_N):
            break
        # A little noise decides between equals.
        worth_N = expected_fall(model, known) + 1e-9 * rng.random(rows) if planning else rng.random(rows)
        picked = open_N[np.argsort(-worth_N[open_N], kind="stable")[: max(1, rows // 20)]]
        n_NK[picked] += draw_votes(left_NK[picked], np.ones(len(picked)), rng)
        spent += len(picked)
        spending.append(spent)
    return np.interp(grid, np.array(spending) / rows, js)


def _saved(grid: np.ndarray, planned: np.ndarray, at_random: np.ndarray, budget: float) -> float:
    """1 - (votes that planning needs for what random allocation reaches with ``budget``) / budget."""
    reached = np.interp(budget, grid, at_random)
    falling = np.minimum.accumulate(planned)
    return float(1 - np.interp(-reached, -falling, grid) / budget)
