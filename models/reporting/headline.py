"""The first screen: how close each source comes to the held-back human votes, and what that means in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ambivox.models.reporting.drawing import interval
from ambivox.models.reporting.estimates import Estimate, estimate, number, written
from ambivox.models.reporting.reading import Run
from ambivox.models.statistics.ambiguity import TERTILES

#: Rows of the table, in reading order: the keys they may have in metrics.json, and what they are called.
ROWS = {
    "human": (("human",), "human", "the few human votes alone"),
    "synthetic": (("synthetic",), "synthetic", "the ALM alone, as it answers"),
    "combined": (("combined",), "combined", "all votes counted alike (the paper’s way)"),
    "pooled": (("pooled",), "pooled", "human votes + calibrated ALM, weighted by what it is worth"),
    "ceiling": (
        ("ceiling", "human_ceiling", "split_half"),
        "human ceiling",
        "one half of the raters against the other",
    ),
    "prior": (("prior", "corpus_prior"), "corpus prior", "the same average for every utterance"),
}
#: Measure -> (heading, better is lower).
# Below this p a difference is called one; beyond this share a loss is worth a sentence.
_SURE, _HARM = 0.05, 0.02
MEASURES = {"js": ("JS ↓", True), "bc": ("BC ↑", False), "accuracy": ("accuracy ↑", False)}


@dataclass(frozen=True)
class Row:
    """One line of the headline table."""

    key: str
    name: str
    note: str
    figures: dict[str, str]
    drawing: Markup
    best: bool


@dataclass(frozen=True)
class Headline:
    """The verdict in sentences (the first is the main one) and the table behind it."""

    sentences: list[str]
    rows: list[Row]
    measures: list[str]


def measures_of(metrics: dict[str, Any], key: str) -> dict[str, Any]:
    """The measures of one row, wherever the validation put them."""
    for place in (metrics, metrics.get("sources"), metrics.get("overall"), metrics.get("reference")):
        if isinstance(place, dict):
            for name in ROWS[key][0]:
                if isinstance(place.get(name), dict):
                    found: dict[str, Any] = place[name]
                    return found
    return {}


def headline(run: Run) -> Headline:
    """Read validation/metrics.json and say what it shows. Empty where there is none."""
    metrics = run.json("validation/metrics.json")
    found = {key: {name: estimate(measures_of(metrics, key), name) for name in MEASURES} for key in ROWS}
    found = {key: figures for key, figures in found.items() if any(figures.values())}
    js = {key: figures["js"] for key, figures in found.items() if figures["js"] is not None}
    ends = [end for one in js.values() if one for end in (one.value, one.low, one.high) if end is not None]
    low, high = (0.0, max(ends) * 1.05) if ends else (0.0, 1.0)
    sources = {key: one.value for key, one in js.items() if one and key not in ("ceiling", "prior")}
    best = min(sources, key=lambda key: sources[key]) if sources else ""
    human = js.get("human")
    rows = [
        Row(
            key,
            ROWS[key][1],
            ROWS[key][2],
            {name: _cell(figures[name], name) for name in MEASURES},
            interval(figures["js"], low, high, key, human.value if human else None),
            key == best,
        )
        for key, figures in found.items()
    ]
    return Headline(_sentences(js, run), rows, [heading for heading, _ in MEASURES.values()])


def _cell(found: Estimate | None, name: str) -> str:
    if name != "accuracy" or found is None:
        return written(found)
    if found.low is None or found.high is None:
        return f"{found.value:.1%}"
    return f"{found.value:.1%} [{found.low:.1%}, {found.high:.1%}]"


def _sentences(js: Mapping[str, Estimate | None], run: Run) -> list[str]:
    human, pooled, prior = js.get("human"), js.get("pooled"), js.get("prior")
    said = []
    if human and pooled and human.value > 0:
        said.append(_verdict(human, pooled, _votes_seen(run), _paired(run)))
        if harmed := _harmed(run):
            said.append(harmed)
    synthetic, combined, ceiling = js.get("synthetic"), js.get("combined"), js.get("ceiling")
    if synthetic and prior:
        apart = synthetic.overlaps(prior)
        if synthetic.value < prior.value and apart is False:
            said.append(
                f"The ALM hears something: alone it is closer to the raters (JS {number(synthetic.value)}) than the "
                f"corpus average is ({number(prior.value)})."
            )
        elif synthetic.value < prior.value:
            said.append(
                f"The ALM alone (JS {number(synthetic.value)}) is hardly better than the corpus average "
                f"({number(prior.value)}): the intervals overlap."
            )
        else:
            said.append(
                f"The ALM alone is no better than quoting the corpus average to every utterance (JS "
                f"{number(synthetic.value)} against {number(prior.value)}); what it adds, it adds after calibration."
            )
    if combined and pooled and combined.value > pooled.value:
        said.append(
            f"Counting the ALM’s votes like people’s, as the paper does, would give JS {number(combined.value)}."
        )
    if ceiling:
        said.append(
            f"People themselves: one half of the raters stands at JS {number(ceiling.value)} from the other half."
        )
    for name, worth in run.equivalent_votes().items():
        said.append(f"What {name} says of an utterance is worth about {written(worth)} human votes.")
    return said


def _verdict(human: Estimate, pooled: Estimate, votes: str, p: float | None) -> str:
    change = 1 - pooled.value / human.value
    pair = f"JS {written(pooled)} against {written(human)}"
    shown = "" if p is None else f"; paired test over speakers {'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}"
    if abs(change) < 0.005:
        return f"Pooling changes nothing here: with {votes}, pooled and human-only are equally far from the raters ({pair})."
    if change > 0:
        sure = (
            "Pooling helps" if p is None or p < _SURE else "Pooling comes closer, but chance is not ruled out"
        )
        return (
            f"{sure}: from {votes} it comes {change:.0%} closer to the human distribution than the votes "
            f"alone ({pair}{shown})."
        )
    return (
        f"Pooling does harm here: from {votes} it ends {-change:.0%} further from the human distribution than the "
        f"votes alone ({pair}). Do not use it on this corpus before finding out why."
    )


def _paired(run: Run) -> float | None:
    """The p value of pooled against human over speakers, corrected by Holm, if there is one."""
    tests = run.json("validation/details.json").get("paired_tests")
    for test in tests if isinstance(tests, list) else []:
        if isinstance(test, dict) and (test.get("first"), test.get("second")) == ("pooled", "human"):
            p = test.get("p_holm", test.get("p_value"))
            if isinstance(p, int | float):
                return float(p)
    return None


def _harmed(run: Run) -> str:
    """At which levels of ambiguity pooled is further from people than their few votes are, if at any."""
    tertiles = run.json("validation/details.json").get("tertiles")
    levels = tertiles.get("paper") if isinstance(tertiles, dict) else None
    said = []
    if not isinstance(levels, dict):
        return ""
    for level in TERTILES:
        sources = levels.get(level)
        if not isinstance(sources, dict):
            continue
        human, pooled = (estimate(measures_of(sources, source), "js") for source in ("human", "pooled"))
        if human and pooled and pooled.value > human.value * (1 + _HARM):
            said.append(f"{level} (JS {number(pooled.value)} against {number(human.value)})")
    return f"Not everywhere: it is further from people at ambiguity {', '.join(said)}." if said else ""


def _votes_seen(run: Run) -> str:
    if run.votes is None or not len(run.votes) or run.utterances is None:
        return "the human votes given"
    human = run.votes.frame["weight"].sum() / max(run.votes.frame["utterance_id"].n_unique(), 1)
    return f"{human:.3g} human votes per utterance"
