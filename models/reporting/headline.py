"""The first screen of the report: the verdict in sentences, and the distance of each source to the human votes.

Verdicts follow the proper scores: the squared error, and what the ALM adds to the same votes pooled without it, by nll. For files of earlier
versions, which have neither, they follow JS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ambivox.models.reporting.estimates import (
    Estimate,
    display_name,
    format_estimate,
    format_number,
    parse_measure,
)
from ambivox.models.reporting.inline_svg import interval
from ambivox.models.reporting.measures import HEADINGS, format_measure, rank
from ambivox.models.reporting.reading import Run, worth_text
from ambivox.models.reporting.source_names import SOURCE_NAMES
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.paired_tests import SIGNIFICANT_P

_HARM_SHARE = (
    0.02  # pooled is called worse at a level of ambiguity when its error is larger by more than this share
)
_EQUAL_SHARE = 0.005  # a change of less than this share is called no difference
#: Instead of distances that would be those of votes to themselves.
_NOT_HELD_OUT = (
    "No human votes were held out, so it cannot be estimated how close the distributions that are made from them are to "
    "further votes. To keep K votes per utterance and hold out the others, run again with --set ingest.keep_votes=K."
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
    drawn: str


def headline(run: Run) -> Headline:
    """Return the headline from validation/metrics.json; empty where there is none."""
    metrics = run.json("validation/metrics.json")
    known = [key for key in SOURCE_NAMES if any(parse_measure(metrics.get(key), name) for name in HEADINGS)]
    from_target = [key for key in known if metrics[key].get("made_from_the_target")]
    # The distance of votes to themselves says nothing.
    known = [key for key in known if key not in from_target]
    metrics = {key: metrics[key] for key in known}
    score = _score(metrics)
    estimates = {
        key: estimate for key in known if (estimate := parse_measure(metrics[key], score)) is not None
    }
    ends = [end for one in estimates.values() for end in (one.value, one.low, one.high) if end is not None]
    limits = (min(0.0, *ends), max(ends) * 1.05) if ends else (0.0, 1.0)
    ranked = [(rank(metrics[key]), key) for key in known if not SOURCE_NAMES[key].is_reference]
    best = min(ranked)[1] if len(ranked) > 1 else ""
    human = estimates.get("human")
    rows = [
        HeadlineRow(
            key,
            SOURCE_NAMES[key].label,
            SOURCE_NAMES[key].description,
            {name: format_measure(metrics[key], name) for name in HEADINGS},
            interval(estimates.get(key), *limits, key, human.value if human else None),
            key == best,
        )
        for key in known
    ]
    sentences = _limits(run, bool(from_target)) + _sentences(metrics, run)
    return Headline(sentences, rows, list(HEADINGS.values()), display_name(score))


def _limits(run: Run, is_from_target: bool) -> list[str]:
    """What cannot be estimated on this corpus, a sentence each."""
    sentences = [f"No ALM is used here: {reason}." for reason in run.left_out("alm", "annotations")]
    sentences += [f"No distribution is scored here: {reason}." for reason in run.left_out("validation")]
    return sentences + ([_NOT_HELD_OUT] if is_from_target else [])


def _score(metrics: Mapping[str, Any]) -> str:
    """The score of the verdict; raw votes have a squared error, but no finite nll."""
    has_squared_error = parse_measure(metrics.get("human"), "squared_error") is not None
    return "squared_error" if has_squared_error else "js"


def _sentences(metrics: Mapping[str, Any], run: Run) -> list[str]:
    def measure(source: str, name: str) -> Estimate | None:
        return parse_measure(metrics.get(source), name)

    score = _score(metrics)
    name = "JS" if score == "js" else display_name(score)
    human, pooled = measure("human", score), measure("pooled", score)
    combined, ceiling, floor = measure("combined", score), measure("ceiling", score), measure("floor", "nll")
    sentences = []
    if human and pooled and human.value > 0:
        sentences.append(_verdict(human, pooled, name, _votes_per_utterance(run), _paired_p(run, score)))
        if exception := _exception(run, score, name):
            sentences.append(exception)
    if added := measure("pooled", "nll_minus_human_mixture"):
        sentences.append(_alm_adds(added, measure("pooled", "nll"), measure("human_mixture", "nll")))
    alone = "nll" if measure("synthetic", "nll") and measure("prior", "nll") else "js"
    synthetic, prior = measure("synthetic", alone), measure("prior", alone)
    if synthetic and prior:
        sentences.append(_alm_against_prior(synthetic, prior, "JS" if alone == "js" else alone))
    if combined and pooled and combined.value > pooled.value:
        sentences.append(
            f"Counting ALM votes and human votes equally, as in the paper, gives {name} {format_number(combined.value)}."
        )
    if ceiling:
        sentences.append(
            f"Human ceiling: between one half of the human annotators and the other half, {name} is "
            f"{format_number(ceiling.value)}."
        )
    if floor:
        sentences.append(
            f"Floor: even the true distributions would have nll {format_number(floor.value)} (estimated)."
        )
    return sentences + _worth_sentences(run)


def _worth_sentences(run: Run) -> list[str]:
    """What each ALM is worth: on the trial's test speakers, who have many votes; else as pooling measured it."""
    sentences = []
    for alm, measured in run.worth().items():
        votes = _mean_votes(run)
        in_trial = run.worth_in_trial(votes).get(alm, {}) if votes else {}
        worth = in_trial if worth_text(in_trial, "nll") else measured
        if nll := worth_text(worth, "nll"):
            beside = f"{votes:.0f}" if worth is in_trial else worth.get("votes")
            sentences.append(
                f"Beside {beside} human vote{'' if str(beside) == '1' else 's'}, {alm} is worth {nll} further human votes (by nll)."
            )
    return sentences


def _verdict(human: Estimate, pooled: Estimate, name: str, votes: str, p: float | None) -> str:
    change = 1 - pooled.value / human.value
    figures = f"{name} {format_estimate(pooled)} against {format_estimate(human)}"
    if abs(change) < _EQUAL_SHARE:
        return (
            f"Pooling makes no difference here: with {votes}, the pooled distribution and the human votes alone are "
            f"equally close to the human distribution ({figures})."
        )
    if change < 0:
        return (
            f"Pooling is harmful here: with {votes}, the pooled distribution is {-change:.0%} further from the human "
            f"distribution than the human votes alone ({figures}). Find the cause before you use it on this corpus."
        )
    is_significant = p is None or p < SIGNIFICANT_P
    finding = (
        "Pooling helps" if is_significant else "Pooling is closer, but the difference is not significant"
    )
    test = "" if p is None else f"; paired test over speakers: {'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}"
    return (
        f"{finding}: with {votes}, the pooled distribution is {change:.0%} closer to the human distribution than the "
        f"human votes alone ({figures}{test})."
    )


def _alm_adds(added: Estimate, pooled: Estimate | None, without: Estimate | None) -> str:
    """What pooled gains over the same votes pooled without any ALM."""
    figures = f"difference in nll {format_estimate(added)}"
    if pooled and without:
        figures = f"nll {format_number(pooled.value)} against {format_number(without.value)}, {figures}"
    if added.high is not None and added.high < 0:
        return f"The ALM adds to what the pooled votes say without it ({figures})."
    if added.low is not None and added.low > 0:
        return f"The ALM is harmful: votes pooled without it predict further votes better ({figures})."
    return f"The ALM adds nothing measurable to votes pooled without it ({figures})."


def _alm_against_prior(synthetic: Estimate, prior: Estimate, name: str) -> str:
    alm, corpus = format_number(synthetic.value), format_number(prior.value)
    if synthetic.value >= prior.value:
        return f"The ALM alone is no better than the corpus prior ({name} {alm} against {corpus})."
    if synthetic.overlaps(prior) is False:
        return (
            f"The ALM is informative: alone, it is closer to the human votes ({name} {alm}) than the corpus prior "
            f"({corpus})."
        )
    return (
        f"The ALM alone ({name} {alm}) is not clearly better than the corpus prior ({corpus}): the intervals overlap "
        "or are unknown."
    )


def _paired_p(run: Run, score: str) -> float | None:
    """The p value of pooled against human over speakers by a score, corrected by Holm, if there is one."""
    tests = run.json("validation/details.json").get("paired_tests")
    for test in tests if isinstance(tests, list) else []:
        if not isinstance(test, dict):
            continue
        pair = (test.get("first"), test.get("second"), test.get("score", "js"))
        if pair == ("pooled", "human", score):
            p = test.get("p_holm", test.get("p_value"))
            if isinstance(p, int | float):
                return float(p)
    return None


def _exception(run: Run, score: str, name: str) -> str:
    """The levels of ambiguity at which pooled is further from the target than the human votes alone."""
    tertiles = run.json("validation/details.json").get("tertiles")
    by_definition = tertiles if isinstance(tertiles, dict) else {}
    levels = by_definition.get("independent_votes" if score != "js" else "paper")
    by_level = levels if isinstance(levels, dict) else {}
    worse = []
    for level in TERTILES:
        sources = by_level.get(level)
        if not isinstance(sources, dict):
            continue
        human, pooled = (parse_measure(sources.get(source), score) for source in ("human", "pooled"))
        if human and pooled and pooled.value > human.value * (1 + _HARM_SHARE):
            figures = f"{name} {format_number(pooled.value)} against {format_number(human.value)}"
            worse.append(f"{level} ambiguity ({figures})")
    if not worse:
        return ""
    return f"Exception: pooled is further from the human distribution at {', '.join(worse)}."


def _votes_per_utterance(run: Run) -> str:
    mean = _mean_votes(run)
    return "the human votes given" if mean is None else f"{mean:.3g} human votes per utterance"


def _mean_votes(run: Run) -> float | None:
    if run.votes is None or not len(run.votes) or run.utterances is None:
        return None
    return float(run.votes.frame["weight"].sum() / max(run.votes.frame["utterance_id"].n_unique(), 1))
