"""The figure of an allocation of human votes: how many votes the plan saves."""

from __future__ import annotations

from matplotlib.figure import Figure

from ambivox.models.pooling.allocation_simulation import Simulation
from ambivox.models.reporting.figures.style import DARK, JS_AXIS, new_figure, styled
from ambivox.models.reporting.source_names import source_colour

_GOAL_PERCENT = 25


@styled
def savings_figure(simulation: Simulation) -> Figure:
    """Draw the JS by further votes per utterance, planned and at random, and the share of votes that the plan saves.

    Args:
        simulation: of the allocation, on the test speakers.
    """
    figure, (left, right) = new_figure(columns=2, width=8.8, height=3.4)
    for js, name, source in (
        (simulation.at_random, "random allocation", "human"),
        (simulation.planned, "planned allocation", "pooled"),
    ):
        left.plot(simulation.votes_per_utterance, js, color=source_colour(source), label=name)
    left.set_xlabel("further human votes per utterance")
    left.set_ylabel(f"{JS_AXIS} to held-back votes")
    left.set_title("Pooled distribution")
    left.legend()
    saved = list(simulation.saved.values())
    percent = [100 * estimate.value for estimate in saved]
    below = [max(100 * (estimate.value - estimate.low), 0) for estimate in saved]
    above = [max(100 * (estimate.high - estimate.value), 0) for estimate in saved]
    right.bar(range(len(saved)), percent, 0.7, color=source_colour("pooled"))
    right.errorbar(range(len(saved)), percent, [below, above], fmt="none", ecolor=DARK, capsize=3)
    right.axhline(_GOAL_PERCENT, color=DARK, lw=0.8, ls="--", label=f"goal: {_GOAL_PERCENT}%")
    right.set_xticks(range(len(saved)), [f"{budget:g}" for budget in simulation.saved])
    right.set_xlabel("random votes per utterance")
    right.set_ylabel("votes saved by planning (%)")
    right.set_title("Votes saved at equal JS")
    right.legend()
    return figure
