"""Simulation of planned against random allocation of votes, on utterances that already have many votes.

Scores are nll, squared error (less what all plans have in common, the sum of the squared true probabilities) and JS to
held-out votes. Both curves of a score over the number of votes are made decreasing in the same way (isotonic regression),
so a plan that is random saves nothing on average; intervals are jackknife intervals over speakers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import interp1d
from scipy.optimize import isotonic_regression

from ambivox.models.errors import UserError
from ambivox.models.pooling.allocation import expected_fall
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.progress import track
from ambivox.models.statistics.groups import group_sums
from ambivox.models.statistics.intervals import Interval, half_width
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.vote_counts import TOLERANCE, shares
from ambivox.models.statistics.vote_draws import draw_votes

SCORES = ("nll", "squared_error", "js")
_GRID_POINTS = 91
_BEYOND = 1.5  # the grid ends at this multiple of the largest budget, so that a saving may be negative
_ROUNDS_PER_VOTE = 20  # a round gives a vote to one in so many utterances
_FLOOR = 1e-12  # of a probability before its logarithm is taken


@dataclass(frozen=True)
class Simulation:
    """Mean scores against held-out votes by the number of further votes.

    Attributes:
        votes_per_utterance: the grid, from 0 further votes up.
        planned: mean score on the grid where votes are planned, by score.
        at_random: the same where votes are allocated at random.
        saved: share of votes that planning saves, by score and by random votes per utterance.
    """

    votes_per_utterance: np.ndarray
    planned: dict[str, np.ndarray]
    at_random: dict[str, np.ndarray]
    saved: dict[str, dict[float, Interval]]


def simulate(
    model: PoolingModel,
    inputs: PoolingInputs,
    *,
    start: int = 1,
    held_out: int = 4,
    budgets: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0),
    repeats: int = 10,
    seed: int = 0,
    gain: Callable[[PoolingModel, PoolingInputs], np.ndarray] = expected_fall,
) -> Simulation:
    """Compare planned with random allocation on votes that exist.

    Per utterance, ``held_out`` votes are set aside for scoring, ``start`` votes are known from the beginning, and
    the others can be bought. In every round a twentieth of the utterances gets a vote: those with the largest
    expected fall of their squared error, or random ones. The model must not have been fitted on these utterances.

    Args:
        model: fitted on other speakers.
        inputs: utterances with all their votes.
        start: votes known at first.
        held_out: votes to score against.
        budgets: random votes per utterance at which savings are reported.
        repeats: independent simulations that are averaged.
        seed: of all drawing.
        gain: the plan: the expected gain of every utterance by one more vote.

    Raises:
        UserError: no utterance has more votes than are held out and known at first.
    """
    enough_N = inputs.n_NK.sum(1) > held_out + start + TOLERANCE
    if not enough_N.any():
        raise UserError(
            f"no utterance has more than {held_out + start} votes, so allocation cannot be simulated; "
            "use a corpus with more votes per utterance"
        )
    inputs = inputs.rows(enough_N)
    rows = len(inputs.n_NK)
    grid = np.linspace(0, _BEYOND * max(budgets), _GRID_POINTS)
    planned_SNG, random_SNG = (np.zeros((len(SCORES), rows, len(grid))) for _ in range(2))
    for repeat in track(range(repeats), "Simulated plans"):
        rng = np.random.default_rng([seed, repeat])
        available_NK = draw_votes(inputs.n_NK, inputs.n_NK.sum(1) - held_out, rng)
        first_NK = draw_votes(available_NK, np.full(rows, start), rng)
        for score_SNG, plan in ((planned_SNG, gain), (random_SNG, None)):
            score_SNG += _simulate_once(model, inputs, available_NK, first_NK, grid, plan, rng) / repeats
    group_N = np.unique(inputs.speaker_N, return_inverse=True)[1]
    planned, at_random = (
        dict(zip(SCORES, score_SNG, strict=True)) for score_SNG in (planned_SNG, random_SNG)
    )
    return Simulation(
        grid,
        {score: score_NG.mean(0) for score, score_NG in planned.items()},
        {score: score_NG.mean(0) for score, score_NG in at_random.items()},
        {score: _savings(grid, planned[score], at_random[score], group_N, budgets) for score in SCORES},
    )


def _savings(
    grid: np.ndarray,
    planned_NG: np.ndarray,
    random_NG: np.ndarray,
    group_N: np.ndarray,
    budgets: tuple[float, ...],
) -> dict[float, Interval]:
    """The saving by random votes per utterance, with intervals over groups of utterances."""
    planned_RG, count_R = group_sums(planned_NG, group_N)
    random_RG, _ = group_sums(random_NG, group_N)
    planned_G, random_G = _decreasing(planned_NG.mean(0)), _decreasing(random_NG.mean(0))
    without = [
        (_decreasing(planned_RG.sum(0) - planned), _decreasing(random_RG.sum(0) - at_random))
        for planned, at_random in zip(planned_RG, random_RG, strict=True)
    ]
    saved = {}
    for budget in budgets:
        value = _saved(grid, planned_G, random_G, budget)
        without_R = np.array([_saved(grid, planned, at_random, budget) for planned, at_random in without])
        half = half_width(value, without_R, count_R)
        saved[budget] = Interval(value, value - half, value + half)
    return saved


def _simulate_once(
    model: PoolingModel,
    inputs: PoolingInputs,
    available_NK: np.ndarray,
    first_NK: np.ndarray,
    grid: np.ndarray,
    gain: Callable[[PoolingModel, PoolingInputs], np.ndarray] | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Scores ``score_SNG`` on ``grid`` (further votes per utterance); random without ``gain``."""
    rows = len(first_NK)
    truth_NK = shares(np.maximum(inputs.n_NK - available_NK, 0))
    n_NK, spent, spent_by_round = first_NK.copy(), 0.0, [0.0]
    by_round: list[np.ndarray] = []
    while True:
        known = inputs.with_votes(n_NK)
        p_NK = pool(model, n_NK, inputs.q_NAK, inputs.label_mass_NA).p_NK
        by_round.append(_scores(truth_NK, p_NK))
        left_NK = available_NK - n_NK
        open_rows = np.flatnonzero(left_NK.sum(1) > TOLERANCE)
        if spent >= grid[-1] * rows or not len(open_rows):
            break
        # A little noise breaks ties.
        score_N = rng.random(rows) if gain is None else gain(model, known) + 1e-9 * rng.random(rows)
        order = np.argsort(-score_N[open_rows], kind="stable")
        selected = open_rows[order[: max(1, rows // _ROUNDS_PER_VOTE)]]
        n_NK[selected] += draw_votes(left_NK[selected], np.ones(len(selected)), rng)
        spent += len(selected)
        spent_by_round.append(spent)
    score_SNG: np.ndarray = interp1d(
        np.array(spent_by_round) / rows,
        np.stack(by_round, axis=2),
        bounds_error=False,
        fill_value=(by_round[0], by_round[-1]),
    )(grid)
    return score_SNG


def _scores(truth_NK: np.ndarray, p_NK: np.ndarray) -> np.ndarray:
    """The scores of every utterance, ``score_SN`` in the order of SCORES."""
    nll_N = -(truth_NK * np.log(np.maximum(p_NK, _FLOOR))).sum(1)
    return np.stack([nll_N, (p_NK**2 - 2 * p_NK * truth_NK).sum(1), jensen_shannon(truth_NK, p_NK)])


def _decreasing(curve_G: np.ndarray) -> np.ndarray:
    """The closest decreasing curve."""
    return np.asarray(isotonic_regression(curve_G, increasing=False).x)


def _saved(grid: np.ndarray, planned_G: np.ndarray, random_G: np.ndarray, budget: float) -> float:
    """1 - (votes that planning needs for the score of random allocation with ``budget``) / budget.

    Where a curve is flat, any of several numbers of votes would do: the mean of the least and the most is taken.
    """
    score = np.interp(budget, grid, random_G)
    step = 1e-9 * max(abs(score), 1e-300)
    least, most = (float(np.interp(-score + shift, -planned_G, grid)) for shift in (-step, step))
    return 1 - (least + most) / 2 / budget
