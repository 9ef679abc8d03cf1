"""The corpus: its size, splits, votes and rejects."""

from __future__ import annotations

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.reporting.json_tables import MAXIMUM_ROWS, format_cell, json_tables
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.tables import Table
from ambivox.models.tables import SPLITS

#: Steps that list rejects, and their files.
_REJECTS = {"ingest": "ingest/rejects.parquet", "annotate": "annotations/rejects.parquet"}


def corpus(run: Run) -> Section:
    """Describe the corpus: utterances, speakers, splits, human votes, rejects and profile."""
    section = Section("corpus", "Corpus")
    utterances, votes = run.utterances, run.votes
    if utterances is not None:
        frame = utterances.frame
        hours = frame["duration_seconds"].sum() / 3600
        section.text.append(
            f"{counted(len(utterances), 'utterance')} of {counted(frame['speaker'].drop_nulls().n_unique(), 'speaker')}, {hours:.2f} hours, "
            f"{counted(len(utterances.labels), 'label')}: {', '.join(utterances.labels)}."
        )
        section.tables.append(_split_table(run))
    if votes is not None:
        heldout = 0.0 if run.heldout is None else run.heldout.frame["weight"].sum()
        section.text.append(
            f"The pipeline used {counted(float(votes.frame['weight'].sum()), 'human vote')}"
            + (f"; {heldout:,.0f} more were held out for validation." if heldout else ".")
        )
    notes = run.json("ingest/profile.json").get("notes")
    section.text += [f"Note: {note}." for note in notes or [] if isinstance(note, str)]
    for step, name in _REJECTS.items():
        _add_rejects(run, step, name, section)
    section.details = json_tables(run.json("ingest/profile.json"))
    section.pictures = pictures(run, "ingest")
    return section


def _split_table(run: Run) -> Table:
    assert run.utterances is not None
    frame = run.utterances.frame
    if run.votes is not None:
        counts = run.votes.frame.group_by("utterance_id").agg(pl.col("weight").sum().alias("votes"))
        frame = frame.join(counts, on="utterance_id", how="left").with_columns(pl.col("votes").fill_null(0.0))
    else:
        frame = frame.with_columns(votes=pl.lit(None, dtype=pl.Float64))
    splits = (
        frame.group_by("split")
        .agg(
            pl.len().alias("utterances"),
            pl.col("speaker").drop_nulls().n_unique().alias("speakers"),
            (pl.col("duration_seconds").sum() / 60).alias("minutes"),
            pl.col("votes").mean().alias("votes per utterance"),
        )
        .sort(pl.col("split").replace_strict({split: place for place, split in enumerate(SPLITS)}))
    )
    rows = [[format_cell(value) for value in row] for row in splits.rows()]
    return Table.of(splits.columns, rows, "Splits by speaker")


def _add_rejects(run: Run, step: str, name: str, section: Section) -> None:
    rejects = run.frame(name)
    if rejects is None:
        return
    if not rejects.height:
        section.text.append(f"The step {step} rejected nothing.")
        return
    section.warnings.append(f"The step {step} rejected {counted(rejects.height, 'row')}, listed in {name}.")
    if "reason" not in rejects.columns:
        return
    counts = rejects.group_by("reason").len("rows").sort(["rows", "reason"], descending=[True, False])
    rows = [[format_cell(value) for value in row] for row in counts.head(MAXIMUM_ROWS).rows()]
    section.tables.append(Table.of(counts.columns, rows, f"Rejected by {step}"))
