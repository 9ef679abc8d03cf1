"""The figure of a corpus: votes per utterance, labels, ambiguity and splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambivox.models.counted import counted
from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.figures.style import GREY, SMALL, new_figure, plain_text, styled
from ambivox.models.reporting.source_names import source_colour
from ambivox.models.tables import SPLITS


@styled
def profile_figure(profile: Mapping[str, Any]) -> Figure:
    """Draw a corpus in four panels.

    Args:
        profile: what profile.json holds (``ambivox.models.ingestion.profile``).
    """
    figure, (votes, labels, ambiguity, splits) = new_figure(columns=2, rows=2, width=10, height=6.2)
    _draw_votes(votes, profile["votes_per_utterance"])
    _draw_labels(labels, {label: profile["label_prior"][label] for label in profile["labels"]})
    _draw_ambiguity(ambiguity, profile["entropy_bits"])
    _draw_splits(splits, profile["splits"])
    return figure


def _draw_votes(axes: Axes, utterances_by_votes: Mapping[str, int]) -> None:
    votes = [int(number) for number in utterances_by_votes]
    axes.bar(votes, list(utterances_by_votes.values()), color=source_colour("human"))
    axes.set_xlim(min(votes, default=1) - 1.5, max(votes, default=1) + 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(title="Votes per utterance", xlabel="human votes", ylabel="utterances")
    axes.grid(visible=False, axis="x")


def _draw_labels(axes: Axes, prior: Mapping[str, float]) -> None:
    colours = list(label_colours(list(prior)).values())
    bars = axes.barh([plain_text(label) for label in prior], list(prior.values()), color=colours)
    axes.bar_label(bars, [f" {share:.0%}" for share in prior.values()], fontsize=SMALL)
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.set(title="Labels", xlabel="share of votes")
    axes.grid(visible=False, axis="y")


def _draw_ambiguity(axes: Axes, histogram: Mapping[str, list[float]]) -> None:
    edges = np.array(histogram["edges"])
    axes.bar(
        edges[:-1],
        histogram["utterances"],
        width=np.diff(edges),
        align="edge",
        color=source_colour("human"),
        edgecolor="w",
    )
    axes.set(title="Ambiguity", xlabel="entropy of the votes of an utterance (bits)", ylabel="utterances")
    axes.grid(visible=False, axis="x")


def _draw_splits(axes: Axes, splits: Mapping[str, Mapping[str, float]]) -> None:
    used = {name: splits[name] for name in SPLITS if splits[name]["utterances"]}
    bars = axes.barh(list(used), [split["hours"] for split in used.values()], color=GREY)
    texts = [
        f" {counted(split['utterances'], 'utterance')},\n {counted(split['speakers'], 'speaker')}"
        for split in used.values()
    ]
    axes.bar_label(bars, texts, fontsize=SMALL)
    axes.margins(x=0.6)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.invert_yaxis()
    axes.set(title="Splits", xlabel="hours")
    axes.grid(visible=False, axis="y")
