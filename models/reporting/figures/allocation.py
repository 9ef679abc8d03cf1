"""Pictures of the allocation of human votes: what a plan saves, and where it spends."""

from __future__ import annotations

from matplotlib.figure import Figure

from ambivox.models.pooling.allocation_simulation import Simulation
from ambivox.models.reporting.figures.style import COLOURS, figure


def savings(played: Simulation) -> Figure:
    """JS against further votes per utterance, planned and at random; and the share of votes saved."""
    picture, (left, right) = figure(columns=2, width=8.6, height=3.4)
    left.plot(played.votes_per_utterance, played.at_random, color=COLOURS["human"], label="at random")
    left.plot(played.votes_per_utterance, played.planned, color=COLOURS["pooled"], label="planned")
    left.set_xlabel("further human votes per utterance")
    left.set_ylabel("JS divergence (base 2) to held-out votes")
    left.set_title("Pooled distribution")
    left.legend()
    budgets = list(played.saved)
    value = [100 * found.value for found in played.saved.values()]
    below = [max(100 * (found.value - found.low), 0) for found in played.saved.values()]
    above = [max(100 * (found.high - found.value), 0) for found in played.saved.values()]
    right.bar(range(len(budgets)), value, 0.7, color=COLOURS["pooled"])
    right.errorbar(range(len(budgets)), value, [below, above], fmt="none", ecolor="#333333", capsize=3)
    right.axhline(25, color="#333333", lw=0.8, ls="--")
    right.set_xticks(range(len(budgets)), [f"{budget:g}" for budget in budgets])
    right.set_xlabel("votes per utterance at random")
    right.set_ylabel("votes saved by planning (%)")
    right.set_title("For the same JS")
    return picture
