"""The first screen of the report: the verdict in sentences, and the distance of each source to the human votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from ambivox.models.reporting.estimates import Estimate, format_estimate, format_number, parse_measure
from ambivox.models.reporting.inline_svg import interval
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import SOURCE_NAMES
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.paired_tests import SIGNIFICANT_P

#: Measure -> its heading; the arrow points to the better end.
MEASURES = {"js": "JS ↓", "bc": "BC ↑", "accuracy": "accuracy ↑"}
_HARM_SHARE = (
    0.02  # pooled is called worse at a level of ambiguity when its JS is larger by more than this share
)
_EQUAL_SHARE = 0.005  # a change of less than this share is called no difference
#: Distances that would be those of votes to themselves are not shown.
_FROM_TARGET = "; not scored: made from the votes that it would be compared with"
_NOT_HELD_OUT = (
    "No human votes were held out, so it cannot be estimated how close the distributions are to further votes. To keep K "
    "votes per utterance and hold out the others, run again with --set ingest.keep_votes=K."
)


@dataclass(frozen=True)
class HeadlineRow:
    """One source in the headline table."""

    key: str
    label: str
    description: str
    figures: dict[str, str]
    drawing: Markup
    is_best: bool


@dataclass(frozen=True)
class Headline:
    """The verdict in sentences (the main one first) and the table behind it."""

    sentences: list[str]
    rows: list[HeadlineRow]
    headings: list[str]


def headline(run: Run) -> Headline:
    """Return the headline from validation/metrics.json; empty where there is none."""
    metrics = run.json("validation/metrics.json")
    estimates = {
        key: {name: parse_measure(metrics.get(key), name) for name in MEASURES} for key in SOURCE_NAMES
    }
    estimates = {key: measures for key, measures in estimates.items() if any(measures.values())}
    from_target = [key for key in estimates if metrics[key].get("made_from_the_target")]
    estimates |= {key: dict.fromkeys(MEASURES) for key in from_target}
    js = {key: found for key, measures in estimates.items() if (found := measures["js"]) is not None}
    ends = [end for one in js.values() for end in (one.value, one.low, one.high) if end is not None]
    limits = (0.0, max(ends) * 1.05) if ends else (0.0, 1.0)
    ranked = [(one.value, key) for key, one in js.items() if not SOURCE_NAMES[key].is_reference]
    best = min(ranked)[1] if ranked else ""
    human = js.get("human")
    rows = [
        HeadlineRow(
            key,
            SOURCE_NAMES[key].label,
            SOURCE_NAMES[key].description + (_FROM_TARGET if key in from_target else ""),
            {name: format_estimate(measures[name], percent=name == "accuracy") for name in MEASURES},
            interval(measures["js"], *limits, key, human.value if human else None),
            key == best,
        )
        for key, measures in estimates.items()
    ]
    return Headline(_limits(run, bool(from_target)) + _sentences(js, run), rows, list(MEASURES.values()))


def _limits(run: Run, is_from_target: bool) -> list[str]:
    """What cannot be estimated on this corpus, a sentence each."""
    sentences = [f"No ALM is used here: {reason}." for reason in run.left_out("alm", "annotations")]
    sentences += [f"No distribution is scored here: {reason}." for reason in run.left_out("validation")]
    return sentences + ([_NOT_HELD_OUT] if is_from_target else [])


def _sentences(js: Mapping[str, Estimate], run: Run) -> list[str]:
    human, pooled, prior = js.get("human"), js.get("pooled"), js.get("prior")
    synthetic, combined, ceiling = js.get("synthetic"), js.get("combined"), js.get("ceiling")
    sentences = []
    if human and pooled and human.value > 0:
        sentences.append(_verdict(human, pooled, _votes_per_utterance(run), _paired_p(run)))
        if exception := _exception(run):
            sentences.append(exception)
    if synthetic and prior:
        sentences.append(_alm_against_prior(synthetic, prior))
    if combined and pooled and combined.value > pooled.value:
        sentences.append(
            f"Counting ALM votes and human votes equally, as in the paper, gives JS {format_number(combined.value)}."
        )
    if ceiling:
        sentences.append(
            "Human ceiling: between one half of the human annotators and the other half, JS is "
            f"{format_number(ceiling.value)}."
        )
    for name, votes in run.equivalent_votes().items():
        sentences.append(
            f"Per utterance, {name} is equivalent to about {format_estimate(votes)} human votes."
        )
    return sentences


def _verdict(human: Estimate, pooled: Estimate, votes: str, p: float | None) -> str:
    change = 1 - pooled.value / human.value
    js = f"JS {format_estimate(pooled)} against {format_estimate(human)}"
    if abs(change) < _EQUAL_SHARE:
        return (
            f"Pooling makes no difference here: with {votes}, the pooled distribution and the human votes alone are "
            f"equally close to the human distribution ({js})."
        )
    if change < 0:
        return (
            f"Pooling is harmful here: with {votes}, the pooled distribution is {-change:.0%} further from the human "
            f"distribution than the human votes alone ({js}). Find the cause before you use it on this corpus."
        )
    is_significant = p is None or p < SIGNIFICANT_P
    finding = (
        "Pooling helps" if is_significant else "Pooling is closer, but the difference is not significant"
    )
    test = "" if p is None else f"; paired test over speakers: {'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}"
    return (
        f"{finding}: with {votes}, the pooled distribution is {change:.0%} closer to the human distribution than the "
        f"human votes alone ({js}{test})."
    )


def _alm_against_prior(synthetic: Estimate, prior: Estimate) -> str:
    alm_js, prior_js = format_number(synthetic.value), format_number(prior.value)
    if synthetic.value >= prior.value:
        return (
            f"The ALM alone is no better than the corpus prior (JS {alm_js} against {prior_js}): "
            "it contributes only after calibration."
        )
    if synthetic.overlaps(prior) is False:
        return (
            f"The ALM is informative: alone, it is closer to the human votes (JS {alm_js}) than the corpus prior "
            f"({prior_js})."
        )
    return (
        f"The ALM alone (JS {alm_js}) is not clearly better than the corpus prior ({prior_js}): the intervals overlap "
        "or are unknown."
    )


def _paired_p(run: Run) -> float | None:
    """The p value of pooled against human over speakers, corrected by Holm, if there is one."""
    tests = run.json("validation/details.json").get("paired_tests")
    for test in tests if isinstance(tests, list) else []:
        if isinstance(test, dict) and (test.get("first"), test.get("second")) == ("pooled", "human"):
            p = test.get("p_holm", test.get("p_value"))
            if isinstance(p, int | float):
                return float(p)
    return None


def _exception(run: Run) -> str:
    """The levels of ambiguity at which pooled is further from the target than the human votes alone."""
    tertiles = run.json("validation/details.json").get("tertiles")
    levels = tertiles.get("paper") if isinstance(tertiles, dict) else None
    by_level = levels if isinstance(levels, dict) else {}
    worse = []
    for level in TERTILES:
        sources = by_level.get(level)
        if not isinstance(sources, dict):
            continue
        human, pooled = (parse_measure(sources.get(source), "js") for source in ("human", "pooled"))
        if human and pooled and pooled.value > human.value * (1 + _HARM_SHARE):
            js = f"JS {format_number(pooled.value)} against {format_number(human.value)}"
            worse.append(f"{level} ambiguity ({js})")
    if not worse:
        return ""
    return f"Exception: pooled is further from the human distribution at {', '.join(worse)}."


def _votes_per_utterance(run: Run) -> str:
    if run.votes is None or not len(run.votes) or run.utterances is None:
        return "the human votes given"
    mean = run.votes.frame["weight"].sum() / max(run.votes.frame["utterance_id"].n_unique(), 1)
    return f"{mean:.3g} human votes per utterance"
