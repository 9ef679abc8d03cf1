"""What came in: the corpus, and what the ALM said of it."""

from __future__ import annotations

from typing import Any

import polars as pl

from ambivox.models.annotation.checks_file import rename_checks
from ambivox.models.reporting.parts import ROWS, Section, Sheet, cell, pictures, sheets
from ambivox.models.reporting.reading import Run


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
    grouped = (
        frame.group_by("split")
        .agg(
            pl.len().alias("utterances"),
            pl.col("speaker").n_unique().alias("speakers"),
            (pl.col("duration_seconds").sum() / 60).alias("minutes"),
            pl.col("votes").mean().alias("votes per utterance"),
        )
        .sort(pl.col("split").replace_strict(order))
    )
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
        )
        mass = frame["label_mass"].drop_nulls()
        if len(mass):
            section.text.append(
                f"Label mass (what the model gave to the labels together): mean {float(mass.to_numpy().mean()):.3f}, "
                f"lowest tenth below {mass.quantile(0.1):.3f}."
            )
    checks = rename_checks(run.json("annotations/checks.json"))
    section.text += _hearing(checks, section)
    section.details = sheets(checks) + sheets(run.json("alm/training.json"), "Training of the embedded ALM")
    section.pictures = pictures(run.root / "annotations") + pictures(run.root / "alm")
    return section


def _hearing(checks: dict[str, Any], section: Section) -> list[str]:
    hears = checks.get("audio_sensitive")
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
