"""The figure of an allocation of human votes: how many votes the plan saves."""

from __future__ import annotations

from matplotlib.figure import Figure

from ambivox.models.pooling.allocation_simulation import SCORES, Simulation
from ambivox.models.reporting.figures.style import DARK, new_figure, styled
from ambivox.models.reporting.source_names import PALETTE, source_colour

_GOAL_PERCENT = 25
_NAMES = {"nll": "nll", "squared_error": "squared error", "js": "JS"}


@styled
def savings_figure(simulation: Simulation) -> Figure:
    """Draw the nll by further votes per utterance, planned and at random, and the share of votes saved, by score.

    Args:
        simulation: of the allocation, on the test speakers.
    """
    figure, (left, right) = new_figure(columns=2, width=8.8, height=3.4)
    for curves, name, source in (
        (simulation.at_random, "random allocation", "human"),
        (simulation.planned, "planned allocation", "pooled"),
    ):
        left.plot(simulation.votes_per_utterance, curves["nll"], color=source_colour(source), label=name)
    left.set_xlabel("further human votes per utterance")
    left.set_ylabel("nll (nats per held-out vote)")
    left.set_title("Pooled distribution")
    left.legend()
    width = 0.8 / len(SCORES)
    for number, (score, colour) in enumerate(zip(SCORES, PALETTE, strict=False)):
        saved = list(simulation.saved[score].values())
        place = [position + (number - (len(SCORES) - 1) / 2) * width for position in range(len(saved))]
        percent = [100 * estimate.value for estimate in saved]
        below = [max(100 * (estimate.value - estimate.low), 0) for estimate in saved]
        above = [max(100 * (estimate.high - estimate.value), 0) for estimate in saved]
        right.bar(place, percent, width, color=colour, label=_NAMES[score])
        right.errorbar(place, percent, [below, above], fmt="none", ecolor=DARK, capsize=2)
    right.axhline(_GOAL_PERCENT, color=DARK, lw=0.8, ls="--", label=f"goal: {_GOAL_PERCENT}%")
    right.set_xticks(range(len(saved)), [f"{budget:g}" for budget in simulation.saved["nll"]])
    right.set_xlabel("random votes per utterance")
    right.set_ylabel("votes saved by planning (%)")
    right.set_title("Votes saved at equal score")
    right.legend()
    return figure
