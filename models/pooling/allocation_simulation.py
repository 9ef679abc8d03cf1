"""Simulation of planned against random allocation of votes, on utterances that already have many votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.pooling.allocation import expected_reduction
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.intervals import Interval
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.statistics.vote_draws import draw_votes

_GRID_POINTS = 61
_ROUNDS_PER_VOTE = 20  # a round gives a vote to one in so many utterances


@dataclass(frozen=True)
class Simulation:
    """Mean JS to held-out votes by the number of further votes.

    Attributes:
        votes_per_utterance: the grid, from 0 further votes up.
        planned: mean JS on the grid where votes are planned.
        at_random: mean JS on the grid where votes are allocated at random.
        saved: share of votes that planning saves, by random votes per utterance.
    """

    votes_per_utterance: np.ndarray
    planned: np.ndarray
    at_random: np.ndarray
    saved: dict[float, Interval]

    @property
    def least_saved(self) -> float:
        """The smallest mean saving of all budgets."""
        return min(interval.value for interval in self.saved.values())


def simulate(
    model: PoolingModel,
    inputs: PoolingInputs,
    *,
    start: int = 1,
    held_out: int = 4,
    budgets: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0),
    repeats: int = 10,
    seed: int = 0,
) -> Simulation:
    """Compare planned with random allocation on votes that exist.

    Per utterance, ``held_out`` votes are set aside for scoring, ``start`` votes are known from the beginning, and
    the others can be bought. In every round a twentieth of the utterances gets a vote: those with the largest
    expected reduction, or random ones. The model must not have been fitted on these utterances.

    Args:
        model: fitted on other speakers.
        inputs: utterances with all their votes.
        start: votes known at first.
        held_out: votes to score against.
        budgets: random votes per utterance at which savings are reported.
        repeats: independent simulations; the intervals are their 2.5 and 97.5 % points.
        seed: of all drawing.

    Raises:
        UserError: no utterance has more votes than are held out and known at first.
    """
    enough_N = inputs.n_NK.sum(1) > held_out + start
    if not enough_N.any():
        raise UserError(
            f"no utterance has more than {held_out + start} votes, so allocation cannot be simulated; "
            "use a corpus with more votes per utterance"
        )
    inputs = inputs.rows(enough_N)
    rows = len(inputs.n_NK)
    grid = np.linspace(0, max(budgets), _GRID_POINTS)
    planned: list[np.ndarray] = []
    at_random: list[np.ndarray] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        available_NK = draw_votes(inputs.n_NK, inputs.n_NK.sum(1) - held_out, rng)
        first_NK = draw_votes(available_NK, np.full(rows, start), rng)
        for curves, planning in ((planned, True), (at_random, False)):
            curves.append(_simulate_once(model, inputs, available_NK, first_NK, grid, planning, rng))
    planned_RG, random_RG = np.stack(planned), np.stack(at_random)
    saved = {}
    for budget in budgets:
        saved_R = np.array(
            [
                _saved(grid, planned_G, random_G, budget)
                for planned_G, random_G in zip(planned_RG, random_RG, strict=True)
            ]
        )
        low, high = np.quantile(saved_R, [0.025, 0.975])
        mean = _saved(grid, planned_RG.mean(0), random_RG.mean(0), budget)
        saved[budget] = Interval(mean, float(low), float(high))
    return Simulation(grid, planned_RG.mean(0), random_RG.mean(0), saved)


def _simulate_once(
    model: PoolingModel,
    inputs: PoolingInputs,
    available_NK: np.ndarray,
    first_NK: np.ndarray,
    grid: np.ndarray,
    planning: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mean JS to the held-out votes on ``grid`` (further votes per utterance)."""
    rows = len(first_NK)
    truth_NK = shares(np.maximum(inputs.n_NK - available_NK, 0))
    n_NK, spent, spent_by_round, js_by_round = first_NK.copy(), 0.0, [0.0], []
    while True:
        known = PoolingInputs(n_NK, inputs.q_NAK, inputs.label_mass_NA, inputs.speaker_N)
        p_NK = pool(model, n_NK, inputs.q_NAK, inputs.label_mass_NA).p_NK
        js_by_round.append(float(jensen_shannon(truth_NK, p_NK).mean()))
        left_NK = available_NK - n_NK
        open_rows = np.flatnonzero(left_NK.sum(1) > 0)
        if spent >= grid[-1] * rows or not len(open_rows):
            break
        # A little noise breaks ties.
        score_N = expected_reduction(model, known) + 1e-9 * rng.random(rows) if planning else rng.random(rows)
        order = np.argsort(-score_N[open_rows], kind="stable")
        selected = open_rows[order[: max(1, rows // _ROUNDS_PER_VOTE)]]
        n_NK[selected] += draw_votes(left_NK[selected], np.ones(len(selected)), rng)
        spent += len(selected)
        spent_by_round.append(spent)
    return np.interp(grid, np.array(spent_by_round) / rows, js_by_round)


def _saved(grid: np.ndarray, planned: np.ndarray, at_random: np.ndarray, budget: float) -> float:
    """1 - (votes that planning needs for the JS of random allocation with ``budget``) / budget."""
    js = np.interp(budget, grid, at_random)
    decreasing = np.minimum.accumulate(planned)
    return float(1 - np.interp(-js, -decreasing, grid) / budget)
