"""Which columns of a user's tables name recordings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ambivox.models.ingestion.column_content import Source, audio_share
from ambivox.models.ingestion.columns import best_named, named_columns

#: The share of a column's values that must look like recordings.
IS_AUDIO = 0.5


def audio_columns(
    sources: Sequence[Source],
    given: Mapping[str, Any],
    recordings: Mapping[Path, Collection[str]] | None = None,
) -> list[tuple[float, int, Source, str]]:
    """Find the columns that may name recordings, the most likely first.

    Args:
        sources: The tables.
        given: Options that the user gave.
        recordings: Folder -> plain names of the recordings below it; where given, values are compared with them alone.

    Returns:
        Per column minus the share of its values that name recordings, how well its name fits, its table and its name.
    """
    candidates = []
    for source in sources:
        places = {column: place for place, column in enumerate(source.frame.columns)}
        named = named_columns("audio", list(places))
        for column in [given["audio"]] if "audio" in given else places:
            if column in places:
                names = None if recordings is None else recordings[source.path.parent]
                share = audio_share(source, column, names)
                place = named.index(column) if column in named else len(named) + places[column]
                if share >= IS_AUDIO or "audio" in given:
                    candidates.append((-round(share, 1), place, source, column))
    # A table of votes may repeat the paths: the utterances are in the table without annotators, or with fewer rows.
    return sorted(candidates, key=_utterances_first)


def _utterances_first(candidate: tuple[float, int, Source, str]) -> tuple[float, bool, int, int]:
    share, place, source, _ = candidate
    return share, best_named("annotator", source.frame.columns) is not None, source.frame.height, place
