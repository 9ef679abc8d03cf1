"""What the values of a column look like: audio files, ids of utterances, labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ambivox.models.ingestion.cleaning import clear_nothing, holds_text, plain_text
from ambivox.models.ingestion.emotion_words import label_parts
from ambivox.models.ingestion.free_text_labels import other_word
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES, plain_name

_SAMPLE = 200
_FEW = 100
_TRUTHS = ("true", "false")
_MOST_LABELS = 40
_MOST_SPELLINGS = 2000  # of labels, several in one cell among them
_LONGEST_LABEL = 40  # characters


@dataclass(frozen=True)
class Source:
    """A table of the user's.

    Attributes:
        path: Its file.
        frame: Its rows, as ``read_table`` returns them, without LINE.
        sheet: The sheet, of a workbook with more than one; else None.
        is_listed: Whether the file is one of a folder, so that a mapping must name it.
        parts: How many files or sheets it is in; ``path`` or ``sheet`` is a pattern where they are more than one.
        doubts: What the user should confirm before it is read.
    """

    path: Path
    frame: pl.DataFrame
    sheet: str | None = None
    is_listed: bool = True
    parts: int = 1
    doubts: tuple[str, ...] = ()


def audio_share(source: Source, column: str, recordings: Collection[str] | None = None) -> float:
    """Compute the share of a column's values that name a file, or end like an audio file.

    Args:
        source: The table; paths are relative to its folder.
        column: The column.
        recordings: Plain names of recordings; where given, values are compared with them alone.

    Returns:
        A share from 0 to 1, of a sample of the values.
    """
    values = source.frame[column]
    if isinstance(values.dtype, pl.Struct):
        return float(bool({field.name for field in values.dtype.fields} & {"bytes", "path"}))
    if values.dtype.is_nested() or (values.dtype != pl.String and recordings is None):
        return 0.0
    sample = distinct_texts(values, maintain_order=True).head(_SAMPLE)
    if not len(sample):
        return 0.0
    if recordings is not None:
        return sum(plain_name(text) in recordings for text in sample) / len(sample)
    return sum(_names_audio(source.path.parent, text) for text in sample) / len(sample)


def _names_audio(folder: Path, text: str) -> bool:
    text = text.strip()
    if text.lower().endswith(AUDIO_SUFFIXES):
        return True
    try:
        path = folder / text.replace("\\", "/")
        return bool(text) and path.suffix != "" and path.is_file()
    except (OSError, ValueError):  # too long, or not a path at all
        return False


def is_one_to_one(frame: pl.DataFrame, first: str, others: Sequence[str]) -> bool:
    """Whether every value of a column stands beside one combination of values of others, and vice versa.

    Args:
        frame: The table.
        first: The column.
        others: The others, of single values or of recordings.
    """
    if any(isinstance(frame[other].dtype, pl.Struct) for other in others):
        return frame[first].null_count() == 0 and not frame[first].is_duplicated().any()
    if first in others:
        return False
    rows = frame.select(first, *others).drop_nulls([first, others[0]]).unique()
    return bool(rows.height) and rows.height == rows[first].n_unique() == rows.select(others).unique().height


def is_of_one(frame: pl.DataFrame, first: str, second: str) -> bool:
    """Whether every value of a column stands beside one value of another, of which some stand beside several.

    Args:
        frame: The table.
        first: The column.
        second: The other one, of single values.
    """
    if frame[first].dtype.is_nested() or frame[second].dtype.is_nested():
        return False
    pairs = frame.select(first, second).drop_nulls().unique()
    return pairs.height == pairs[first].n_unique() > pairs[second].n_unique()


def overlap(known: pl.Series, values: pl.Series) -> float:
    """Compute the share of values that are known.

    Args:
        known: Such as ``distinct_texts`` of the column that should hold all values.
        values: Those of the column whose values are looked for.

    Returns:
        A share from 0 to 1.
    """
    if not len(values):
        return 0.0
    if len(known) + len(values) <= _FEW:  # Polars takes longer
        return len(set(known).intersection(values)) / len(values)
    return float(values.is_in(known.implode()).mean() or 0.0)  # type: ignore[arg-type]


def plain_names(names: pl.Series) -> pl.Series:
    """The distinct names without folder and audio suffix.

    Args:
        names: Such as ``distinct_texts`` of a column.
    """
    return pl.Series(list(dict.fromkeys(map(plain_name, names))), dtype=pl.String)


def distinct_texts(values: pl.Series, *, maintain_order: bool = False) -> pl.Series:
    """The distinct values of a column as texts, without nulls; none for lists, dictionaries and bytes.

    Args:
        values: The column.
        maintain_order: Whether they stand in the order of their first rows.
    """
    texts = pl.col("value").drop_nulls().unique(maintain_order=maintain_order)
    return as_text(values).to_frame("value").select(texts).to_series()


def may_be_labels(values: pl.Series) -> bool:
    """Whether a column may hold labels: few distinct, short texts that are not numbers.

    Args:
        values: The column.
    """
    if not holds_text(values):
        return False
    counts = _single_labels(values).alias("label").value_counts(name="rows")
    if counts.height > 2 * _MOST_LABELS:  # words for nothing among them
        return False
    labels, _ = clear_nothing(counts["label"], "labels")
    rows_of = {label: rows for label, rows in zip(labels, counts["rows"], strict=True) if label is not None}
    if not rows_of or len(rows_of) > _MOST_LABELS or max(map(len, rows_of)) > _LONGEST_LABEL:
        return False
    are_numbers = pl.Series(list(rows_of)).cast(pl.Float64, strict=False).null_count() == 0
    return not are_numbers and (sum(rows_of.values()) < 10 or len(rows_of) <= sum(rows_of.values()) / 2)


def _single_labels(values: pl.Series) -> pl.Series:
    """The labels of a column, without what was written beside "other", and the parts of cells that hold several.

    A cell counts as several labels where its parts stand alone in other cells.
    """
    given = values.drop_nulls()
    spellings = given.unique()
    if len(spellings) > _MOST_SPELLINGS:
        return given
    written = {text: word for text in spellings if (word := other_word(text))}
    folded = given.replace(written) if written else given
    distinct = dict.fromkeys(written.get(text, text) for text in spellings)
    alone = {plain_text(cell).casefold() for cell in distinct}
    several = {
        cell: found[0]
        for cell in distinct
        if len(found := label_parts(cell)) > 1 and all(part.casefold() in alone for part in found)
    }
    return folded.replace(several) if several else folded


def is_counts(values: pl.Series) -> bool:
    """Whether a column may hold numbers of votes: whole numbers from 0, or true and false.

    Args:
        values: The column.
    """
    if values.dtype == pl.Boolean:
        return True
    first = next(filter(None, values.head(_SAMPLE).to_list()), None)
    if isinstance(first, str) and not _may_be_a_count(first):  # as in most columns of texts
        return False
    text = pl.col("value").drop_nulls().str.strip_chars().str.to_lowercase()
    number = text.cast(pl.Float64, strict=False)
    is_whole = number.is_not_null() & (number >= 0) & (number == number.round())
    is_truth = text.is_in(_TRUTHS)
    found = (
        as_text(values).to_frame("value").select(len=text.len(), truths=is_truth.all(), whole=is_whole.all())
    )
    return bool(found["len"][0]) and bool(found["truths"][0] or found["whole"][0])


def _may_be_a_count(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in _TRUTHS
    return True
