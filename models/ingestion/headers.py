"""Tables without a header, whose first row would be taken for the columns' names and be lost as a vote."""

from __future__ import annotations

import re

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.column_content import Source
from ambivox.models.ingestion.columns import named_columns
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES, plain_name, recordings_below

_SHOWN = 4  # cells
_DECIMAL = re.compile(r"^\d+\.\d+$")


def check_audio_header(source: Source, audio: str) -> None:
    """Check that the column with audio paths is not named after a recording.

    Args:
        source: The table.
        audio: Its column with audio paths.

    Raises:
        UserError: It is.
    """
    names_file = audio.lower().endswith(AUDIO_SUFFIXES)
    if not names_file and not named_columns("audio", [audio]):
        names_file = plain_name(audio) in recordings_below(source.path.parent)
    if names_file:
        raise _first_row_is_data(source, "audio,annotator,label")


def check_id_header(source: Source, key: str, ids: pl.Series) -> None:
    """Check that the column with utterance ids is not named after an utterance.

    Args:
        source: The table of votes.
        key: Its column with utterance ids.
        ids: The ids of the utterances.

    Raises:
        UserError: It is.
    """
    if (as_text(ids) == key).any():
        raise _first_row_is_data(source, "utterance_id,annotator_id,label")


def check_label_track(source: Source) -> None:
    """Check that a table is no label track: rows of a start, an end and a label, as Audacity writes them.

    Args:
        source: The table.

    Raises:
        UserError: It is one.
    """
    if is_label_track(source):
        raise UserError(
            f"{source.path}: a label track, which names neither a recording nor an annotator; write one table of all tracks, "
            "with the columns audio,start,end,annotator,label"
        )


def is_label_track(source: Source) -> bool:
    """Whether a table is a label track.

    Args:
        source: The table.
    """
    names = source.frame.columns
    return len(names) in (2, 3) and all(
        _DECIMAL.fullmatch(name) and as_text(source.frame[name]).str.contains(_DECIMAL.pattern).all()
        for name in names[:2]
    )


def _first_row_is_data(source: Source, example: str) -> UserError:
    shown = [*source.frame.columns[:_SHOWN], *(["..."] if len(source.frame.columns) > _SHOWN else [])]
    return UserError(
        f"{source.path}: the first row is data ({', '.join(shown)}); write the columns' names above it, such as {example}"
    )
