"""A corpus at a glance: how many votes, for which labels, how much they disagree, and how it is split."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambivox.models.reporting.figures.style import COLOURS, PALETTE, figure
from ambivox.models.tables import SPLITS


def picture(found: dict[str, Any]) -> Figure:
    """Four panels from what ``ambivox.models.ingestion.profile.corpus_profile`` returned (or from its JSON, whose keys are sorted)."""
    made, (votes, prior, ambiguity, splits) = figure(columns=2, rows=2, width=8.6, height=5.8)
    _votes(votes, found["votes_per_utterance"])
    _prior(prior, {label: found["label_prior"][label] for label in found["labels"]})
    _ambiguity(ambiguity, found["entropy_bits"])
    _splits(splits, found["splits"])
    return made


def _votes(axes: Axes, per_utterance: dict[str, int]) -> None:
    number = [int(votes) for votes in per_utterance]
    axes.bar(number, list(per_utterance.values()), color=COLOURS["human"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Votes per utterance", xlabel="human votes", ylabel="utterances")
    axes.grid(visible=False, axis="x")


def _prior(axes: Axes, prior: dict[str, float]) -> None:
    # In a label of a user's own a dollar sign would start a formula, and fonts have no control characters.
    names = ["".join(filter(str.isprintable, label)).replace("$", r"\$") for label in prior]
    axes.barh(names, list(prior.values()), color=COLOURS["human"])
    axes.invert_yaxis()
    axes.set(title="Labels", xlabel="share of votes")
    axes.grid(visible=False, axis="y")


def _ambiguity(axes: Axes, histogram: dict[str, list[float]]) -> None:
    edges = np.array(histogram["edges"])
    axes.bar(
        edges[:-1],
        histogram["utterances"],
        width=np.diff(edges),
        align="edge",
        color=COLOURS["human"],
        edgecolor="w",
    )
    axes.set(title="Ambiguity", xlabel="entropy of an utterance's votes (bits)", ylabel="utterances")
    axes.grid(visible=False, axis="x")


def _splits(axes: Axes, splits: dict[str, dict[str, float]]) -> None:
    used = {split: splits[split] for split in SPLITS if splits[split]["utterances"]}
    bars = axes.barh(list(used), [its["hours"] for its in used.values()], color=PALETTE[: len(used)])
    texts = [f" {its['utterances']:,} utterances, {its['speakers']:,} speakers" for its in used.values()]
    axes.bar_label(bars, texts, fontsize=8)
    axes.margins(x=0.6)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.set(title="Splits", xlabel="hours")
    axes.grid(visible=False, axis="y")
