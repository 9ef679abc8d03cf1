"""Tables with a row per annotator and a column per clip, as surveys export them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.column_content import Source, may_be_labels
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.emotion_words import are_mostly_emotions
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES, plain_name, recordings_below

_MADE = {"utterance_id", "audio", "label"}
# In a question, a recording's name stands in brackets, or is a word.
_NAMES_IN_QUESTIONS = re.compile(r"\[([^][]+)\]|([^\s\[\]()\"'“”«»,;:?!]+)")


def clip_columns(source: Source) -> list[str]:
    """List the columns that are named after recordings beside the table.

    Args:
        source: The table.

    Returns:
        The columns, if there are two or more; else none.
    """
    files = _recordings(source.path.parent)
    columns: dict[str, str] = {}
    for column in source.frame.columns:
        name = plain_name(column)
        # Beside clip1.wav, a column clip1 holds something else, such as how sure an annotator is.
        if name in files and (name not in columns or column.lower().endswith(AUDIO_SUFFIXES)):
            columns[name] = column
    named = [column for column in source.frame.columns if column in columns.values()]
    return named if len(named) > 1 else _questions(source.frame, files)


def _questions(frame: pl.DataFrame, files: Collection[str]) -> list[str]:
    """The columns of one question about several recordings: Which emotion do you hear? [clip 1]."""
    columns_of: dict[str, dict[str, str]] = {}  # by the question's other words, and by recording
    for column in frame.columns:
        if (name := _named_in(column, files)) is not None:
            columns_of.setdefault(column.replace(name, ""), {}).setdefault(plain_name(name), column)
    questions = [
        list(columns.values())
        for columns in columns_of.values()
        if len(columns) > 1
        and may_be_labels(pl.concat([as_text(frame[column]).rename("") for column in columns.values()]))
    ]
    # How sure somebody is may be asked about every recording, too.
    with_emotions = [columns for columns in questions if all(are_mostly_emotions(frame[c]) for c in columns)]
    return next((found[0] for found in (questions, with_emotions) if len(found) == 1), [])


def _named_in(question: str, files: Collection[str]) -> str | None:
    """The only recording that a question names, as it names it; None where there is none, or there are several."""
    names = {
        name
        for match in _NAMES_IN_QUESTIONS.finditer(question)
        if (name := (match[1] or match[2]).strip().rstrip("."))
        and plain_name(name) in files
        # A number alone may be that of an annotator or a question.
        and (not plain_name(name).isdecimal() or name.lower().endswith(AUDIO_SUFFIXES))
    }
    return names.pop() if len(names) == 1 else None


def shared_ids(utterances: Source, votes: Source) -> tuple[str, list[str]] | None:
    """Find the columns of a table of votes that are named after the utterances of another table.

    Args:
        utterances: The table of utterances.
        votes: The table of votes.

    Returns:
        The column of the utterances that holds the names, and the columns; None where fewer than two are named so.
    """
    best: tuple[str, list[str]] | None = None
    for column in utterances.frame.columns:
        ids = set(as_text(utterances.frame[column]).drop_nulls().str.strip_chars())
        named = [name for name in votes.frame.columns if name in ids]
        if len(named) > max(1, len(best[1]) if best else 0):
            best = column, named
    return best


def rows_of_clips(path: Path, table: pl.DataFrame, clips: Sequence[str], *, with_audio: bool) -> pl.DataFrame:
    """Turn a column per clip into a row per vote.

    Args:
        path: The table's file; recordings are looked for in its folder and below.
        table: Its rows, one per annotator, with LINE.
        clips: The columns that are clips.
        with_audio: Whether to look for the recordings; else another table names them.

    Returns:
        ``utterance_id`` (the column, or the recording that it names as a question), ``label``, all other columns,
        ``annotator_id`` ("row 1" and so on) where no column is called so, and ``audio`` (the recording; where there is none,
        the column) if it was asked for.

    Raises:
        UserError: Another column has one of these names.
    """
    others = [column for column in table.columns if column not in clips]
    if clash := sorted(set(others) & _MADE):
        raise UserError(f"{path}: columns {clash} stand beside columns that are clips; rename them")
    if "annotator_id" not in others:
        table = table.with_columns(annotator_id=pl.format("row {}", pl.int_range(1, pl.len() + 1)))
        others = [*others, "annotator_id"]
    rows = table.unpivot(on=list(clips), index=others, variable_name="utterance_id", value_name="label")
    rows = rows.drop_nulls("label").sort(LINE, maintain_order=True)
    if not with_audio:
        return rows
    files = _recordings(path.parent)
    names = {clip: clip if plain_name(clip) in files else _named_in(clip, files) or clip for clip in clips}
    audio = {name: files.get(plain_name(name), name) for name in names.values()}
    return rows.with_columns(
        pl.col("utterance_id").replace_strict(names, return_dtype=pl.String)
    ).with_columns(audio=pl.col("utterance_id").replace_strict(audio, return_dtype=pl.String))


def _recordings(folder: Path) -> dict[str, str]:
    """The audio files of a folder and those below, by their plain names; a name that two have is left out."""
    return {name: paths[0] for name, paths in recordings_below(folder).items() if len(paths) == 1}
