"""What each picture of a run shows, in a sentence with its figures: for captions, and for those who do not see the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ambivox.models.reporting.estimates import format_estimate, format_number, parse_measure
from ambivox.models.reporting.reading import Run, worth_text
from ambivox.models.reporting.source_names import SOURCE_NAMES, source_label
from ambivox.models.statistics.ambiguity import TERTILES

_MOST_NAMED = 6


def picture_message(run: Run, folder: str, picture: str, subfolder: str = "") -> str:
    """Return what a picture shows, as one or two sentences; empty where the run's files do not say it.

    Args:
        run: the outputs of a corpus.
        folder: the step's folder below data/<key>/, such as ``validation``.
        picture: the file name without its suffix.
        subfolder: the folder of the picture below ``folder``; empty for none.
    """
    message = _MESSAGES.get((folder, picture))
    return message(run, subfolder) if message else ""


def _profile(run: Run, _: str) -> str:
    shares = _figures(run.json("ingest/profile.json").get("label_prior"))
    if not shares:
        return ""
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    return f"The most frequent label is {most} ({shares[most]:.0%} of the votes), the rarest is {least} ({shares[least]:.0%})."


def _checks(run: Run, subfolder: str) -> str:
    folder = f"annotations/{subfolder}".rstrip("/")
    canary = run.json(f"{folder}/checks.json").get("canary")
    js = parse_measure(canary, "js")
    threshold = parse_measure(canary, "threshold_js")
    if js is None or threshold is None:
        return ""
    side = "above" if js.value > threshold.value else "not above"
    return (
        f"With the audio of another utterance, the answers change by JS {format_number(js.value)}, {side} the threshold of "
        f"{format_number(threshold.value)}."
    )


def _worth(run: Run, _: str) -> str:
    texts = [
        f"{alm}: {text} further human votes"
        for alm, worth in run.worth().items()
        if (text := worth_text(worth, "nll"))
    ]
    return f"Overall, {'; '.join(texts)}." if texts else ""


def _equivalent_votes(run: Run, _: str) -> str:
    texts = [f"{alm} {format_estimate(votes)}" for alm, votes in run.equivalent_votes().items()]
    return f"Overall: {', '.join(texts)}." if texts else ""


def _sources(run: Run, _: str) -> str:
    metrics = run.json("validation/metrics.json")
    score = "squared_error" if parse_measure(metrics.get("human"), "squared_error") else "js"
    compared = [source for source in SOURCE_NAMES if not SOURCE_NAMES[source].is_reference]
    by_source = _values(metrics, compared, score)
    return _ranked(by_source, "squared error" if score == "squared_error" else "JS")


def _validation_tertiles(run: Run, _: str) -> str:
    tertiles = run.json("validation/details.json").get("tertiles")
    levels = tertiles.get("independent_votes") if isinstance(tertiles, Mapping) else None
    if not isinstance(levels, Mapping):
        return ""
    texts = []
    for level in TERTILES:
        sources = levels.get(level)
        pooled, human = (
            parse_measure(sources.get(source) if isinstance(sources, Mapping) else None, "squared_error")
            for source in ("pooled", "human")
        )
        if pooled and human:
            texts.append(
                f"{format_number(pooled.value)} against {format_number(human.value)} at {level} ambiguity"
            )
    return f"Squared error of pooled against human votes alone: {', '.join(texts)}." if texts else ""


def _calibration(run: Run, _: str) -> str:
    errors = _values(run.json("validation/metrics.json"), ("human", "synthetic", "combined", "pooled"), "ece")
    return _ranked(errors, "calibration error")


def _saturation(run: Run, _: str) -> str:
    by_alm = run.json("validation/details.json").get("saturation")
    points = {
        str(alm): content.get("point")
        for alm, content in (by_alm.items() if isinstance(by_alm, Mapping) else ())
        if isinstance(content, Mapping)
    }
    texts = [f"{alm} saturates at {point} votes" for alm, point in points.items() if isinstance(point, int)]
    return f"{'; '.join(texts)}." if texts else ""


def _trial(run: Run, _: str) -> str:
    rows = run.json("trial/trial.json").get("rows")
    ratios = {
        row.get("votes"): ratio.value
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping)
        and row.get("source") == "pooled"
        and (ratio := parse_measure(row, "squared_error_over_human")) is not None
    }
    if not ratios:
        return ""
    texts = [f"{format_number(value)} with {votes}" for votes, value in ratios.items()]
    return f"Pooled, by human votes kept: {', '.join(texts)}. Below 1 is better than the votes alone."


def _balance(run: Run, subfolder: str) -> str:
    content = run.json(f"augmented/{subfolder}/augmentation.json")
    before, after = _figures(content.get("before")), _figures(content.get("after"))
    grown = sorted(
        (label for label in before if after.get(label, 0) > before[label]), key=lambda label: before[label]
    )
    if not after:
        return ""
    if not grown:
        return "No class was filled up."
    texts = [f"{label} from {before[label]:,.0f} to {after[label]:,.0f}" for label in grown[:_MOST_NAMED]]
    return f"Filled up: {', '.join(texts)}."


def _matrix(run: Run, _: str) -> str:
    metrics = run.json("evaluation/metrics.json")
    for score in ("nll", "js"):
        by_model = {
            str(name): estimate.value
            for name, row in metrics.items()
            if name not in SOURCE_NAMES and (estimate := parse_measure(row, score)) is not None
        }
        if by_model:
            return _ranked(by_model, "JS" if score == "js" else score)
    return ""


def _values(metrics: Mapping[str, Any], sources: Iterable[str], name: str) -> dict[str, float]:
    """A figure of each source that has it and is not made from the votes that it is compared with."""
    rows = {source: row for source in sources if isinstance(row := metrics.get(source), Mapping)}
    return {
        source: estimate.value
        for source, row in rows.items()
        if not row.get("made_from_the_target") and (estimate := parse_measure(row, name)) is not None
    }


def _ranked(by_name: Mapping[str, float], score: str) -> str:
    """The named figures, the lowest, which is the best, first."""
    ranked = sorted(by_name, key=lambda name: (by_name[name], name))[:_MOST_NAMED]
    texts = [f"{source_label(name)} {format_number(by_name[name])}" for name in ranked]
    return f"Lowest {score}, which is best, first: {', '.join(texts)}." if texts else ""


def _figures(raw: Any) -> dict[str, float]:
    if not isinstance(raw, Mapping):
        return {}
    return {str(name): float(value) for name, value in raw.items() if isinstance(value, int | float)}


_MESSAGES: dict[tuple[str, str], Callable[[Run, str], str]] = {
    ("ingest", "profile"): _profile,
    ("annotations", "checks"): _checks,
    ("distributions", "worth"): _worth,
    ("distributions", "equivalent_votes"): _equivalent_votes,
    ("validation", "sources"): _sources,
    ("validation", "tertiles"): _validation_tertiles,
    ("validation", "calibration"): _calibration,
    ("validation", "saturation"): _saturation,
    ("trial", "trial"): _trial,
    ("augmented", "balance"): _balance,
    ("evaluation", "matrix"): _matrix,
}
