"""What came out: the pooled distributions, and their distance to people."""

from __future__ import annotations

from typing import Any

import polars as pl

from ambivox.models.reporting.estimates import as_estimate, estimate, humanised, number, written
from ambivox.models.reporting.parts import Section, Sheet, cell, folded, pictures, sheets
from ambivox.models.reporting.reading import Run
from ambivox.models.statistics.ambiguity import TERTILES

_ORDER = ("human", "synthetic", "combined", "pooled", "ceiling", "prior")


def pooling(run: Run) -> Section:
    """What an ALM's answer is worth, in human votes."""
    section = Section("pooling", "Pooling: what the ALM is worth")
    found = run.json("distributions/pooling.json")
    for name, worth in run.equivalent_votes().items():
        section.text.append(
            f"{name} is worth {written(worth)} human votes: pooled = (n + κ q̃) / (N + κ), where κ is that number, "
            "fitted utterance by utterance, and q̃ the ALM’s distribution after calibration."
            + (
                " That is next to nothing: the pooled distributions are the human ones."
                if worth.value < 0.1
                else ""
            )
        )
    section.sheets = _votes_by_ambiguity(found)
    pooled = run.distributions.get("pooled")
    if pooled is not None and pooled.frame["equivalent_votes"].max() != 0:
        votes = pooled.frame["equivalent_votes"]
        section.text.append(
            f"It differs by utterance: half of them get between {votes.quantile(0.25):.2f} and {votes.quantile(0.75):.2f} "
            f"human votes’ worth."
        )
        alone = pooled.frame.filter(pl.col("human_votes") == 0).height
        if alone:
            section.warnings.append(
                f"{alone:,} utterances have no human vote at all: theirs is the calibrated ALM’s word alone."
            )
    section.details = sheets(found)
    section.pictures = pictures(run.root / "distributions")
    return section


def _votes_by_ambiguity(found: dict[str, Any]) -> list[Sheet]:
    rows = []
    alms = found.get("alms")
    for name, one in alms.items() if isinstance(alms, dict) else ():
        by = (
            one.get("equivalent_votes_by_ambiguity", one.get("worth_by_ambiguity"))
            if isinstance(one, dict)
            else None
        )
        if isinstance(by, dict):
            rows.append([str(name), *(written(as_estimate(by.get(level))) for level in TERTILES)])
    return (
        [Sheet("Worth in human votes, by ambiguity of the utterance", ["ALM", *TERTILES], rows)]
        if rows
        else []
    )


def validation(run: Run) -> Section:
    """How good each source is where people agree and where they do not, by label, by group; calibration, saturation."""
    section = Section("validation", "Validation against people")
    metrics = run.json("validation/metrics.json")
    if metrics:
        target = (
            "votes held back from the pipeline"
            if run.heldout is not None
            else "all human votes of the test split"
        )
        section.text.append(
            f"Test speakers only; the target is the {target}. JS is the base-2 divergence (0 to 1), not its square root. "
            "Brackets are 95 % bootstrap intervals."
        )
    section.pictures = pictures(run.root / "validation")
    found = run.json("validation/details.json")
    section.sheets = _by_tertile(found) + _paired_tests(found) + _by_group(found)
    section.details = sheets(metrics, "sources")
    for path in sorted((run.root / "validation").glob("*.json")):
        if path.name != "metrics.json":
            section.details += sheets(run.json(f"validation/{path.name}"), path.stem.replace("_", " "))
    return section


def _js(one: Any) -> str:
    return cell(folded(one).get("js")) if isinstance(one, dict) else "–"


def _by_tertile(found: dict[str, Any]) -> list[Sheet]:
    tertiles = found.get("tertiles")
    levels = tertiles.get("paper") if isinstance(tertiles, dict) else None
    if not isinstance(levels, dict):
        return []
    names = list(dict.fromkeys(name for one in levels.values() if isinstance(one, dict) for name in one))
    rows = [
        [name, *(_js(levels.get(level, {}).get(name)) for level in TERTILES)]
        for name in sorted(names, key=_place)
    ]
    return [
        Sheet(
            "JS by ambiguity of the utterance (tertiles, the paper’s definition)", ["source", *TERTILES], rows
        )
    ]


def _paired_tests(found: dict[str, Any]) -> list[Sheet]:
    tests = [one for one in found.get("paired_tests") or [] if isinstance(one, dict)]
    rows = [
        [
            f"{one.get('first')} − {one.get('second')}",
            written(
                as_estimate({"value": one.get("difference"), "low": one.get("low"), "high": one.get("high")})
            ),
            cell(one.get("p_holm")),
        ]
        for one in tests
    ]
    return (
        [Sheet("Differences in JS, paired over speakers", ["difference", "JS", "p (Holm)"], rows)]
        if rows
        else []
    )


def _by_group(found: dict[str, Any]) -> list[Sheet]:
    made = []
    groups = found.get("per_group")
    for kind, members in groups.items() if isinstance(groups, dict) else ():
        if isinstance(members, dict) and members:
            wanted = ("human", "synthetic", "pooled", "ceiling")
            rows = [
                [str(group), *(_js(one.get(source)) for source in wanted)]
                for group, one in members.items()
                if isinstance(one, dict)
            ]
            made.append(Sheet(f"JS by {kind} of the speaker", [str(kind), *wanted], rows))
    return made


def _place(source: str) -> tuple[int, str]:
    return (_ORDER.index(source) if source in _ORDER else len(_ORDER), source)


def sparse_votes(run: Run) -> Section:
    """How far a few votes a clip can go: the trial that keeps k of them and predicts the rest."""
    section = Section("trial", "With few votes a clip: the sparse-vote trial")
    listed = run.json("trial/trial.json").get("rows")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if not rows:
        return section
    section.text.append(
        "Of every test utterance k votes are kept and the others predicted. Ratios are JS over that of the k votes "
        "alone: below 1 is better than asking k people and no one else; by thirds of the votes' entropy. "
        "Intent stands for the label the actor was told to play, with a fitted weight: an oracle."
    )
    columns = ["votes kept", "source", "JS ↓", "over human ↓", *(f"{level} ambiguity" for level in TERTILES)]
    body = []
    for row in rows:
        thirds = row.get("entropy")
        thirds = thirds if isinstance(thirds, dict) else {}
        body.append(
            [
                cell(row.get("votes")),
                humanised(cell(row.get("source"))),
                written(estimate(row, "js")),
                written(estimate(row, "over_human")),
                *(number(found.value) if (found := estimate(thirds, level)) else "–" for level in TERTILES),
            ]
        )
    section.sheets = [Sheet("JS to the votes that were not kept", columns, body, wide=True)]
    section.pictures = pictures(run.root / "trial")
    return section
