"""Which utterances of a project are to be forgotten, and by what they are known elsewhere: ids, recordings, hashes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ambivox.models.parquet_files import read_parquet

_COLUMNS = ("utterance_id", "speaker", "audio", "audio_sha256", "split")


@dataclass(frozen=True)
class Selection:
    """The utterances of one corpus that are to be forgotten.

    Attributes:
        utterances: Their rows, with the columns utterance_id, speaker, audio, audio_sha256 and split.
        mixed: ``audio_sha256`` of the DiME-Aug mixes that have one of them as a parent.
        shared_recordings: Recordings that hold other utterances, too, which stay.
        shared_hashes: ``audio_sha256`` that utterances outside the selection have, too.
        same_audio: Those utterances, as corpus/id.
    """

    utterances: pl.DataFrame
    mixed: frozenset[str]
    shared_recordings: frozenset[str]
    shared_hashes: frozenset[str]
    same_audio: tuple[str, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the utterances."""
        return frozenset(self.utterances["utterance_id"])

    @property
    def recordings(self) -> frozenset[str]:
        """The recordings that hold nothing else, as the table names them."""
        return frozenset(self.utterances["audio"]) - self.shared_recordings

    @property
    def hashes(self) -> frozenset[str]:
        """The hashes of clips and mixes that are nobody else's."""
        return (frozenset(self.utterances["audio_sha256"]) - self.shared_hashes) | self.mixed


def select(
    folders: Mapping[str, Path], chosen: Collection[str], *, speakers: Collection[str], ids: Collection[str]
) -> dict[str, Selection]:
    """Find the utterances of people.

    Other utterances with the same audio are not selected: it may be silence.

    Args:
        folders: The folder data/<corpus> of every corpus of the project, by its name.
        chosen: The corpora to look in.
        speakers: Names of speakers.
        ids: Ids of utterances.

    Returns:
        The selection of each chosen corpus that has any.

    Raises:
        UserError: A table of utterances cannot be read.
    """
    tables = {corpus: _read(folder) for corpus, folder in folders.items()}
    if not tables:
        return {}
    is_named = pl.col("speaker").is_in(list(speakers)) | pl.col("utterance_id").is_in(list(ids))
    is_selected = is_named.fill_null(pl.col("utterance_id").is_in(list(ids)))
    others = pl.concat(
        [
            (table.filter(~is_selected) if corpus in chosen else table).with_columns(corpus=pl.lit(corpus))
            for corpus, table in tables.items()
        ]
    )
    selections = {}
    for corpus in chosen:
        utterances = tables[corpus].filter(is_selected)
        if not utterances.height:
            continue
        same_audio = others.join(utterances, on="audio_sha256", how="semi")
        selections[corpus] = Selection(
            utterances,
            _mixed(folders[corpus], utterances["utterance_id"]),
            frozenset(utterances["audio"]) & frozenset(others["audio"]),
            frozenset(same_audio["audio_sha256"]),
            tuple(
                f"{name}/{each}"
                for name, each in same_audio.select("corpus", "utterance_id")
                .sort("corpus", "utterance_id")
                .rows()
            ),
        )
    return selections


def _read(folder: Path) -> pl.DataFrame:
    path = folder / "ingest" / "utterances.parquet"
    if not path.is_file():
        return pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))
    return read_parquet(
        path, "the utterances of a corpus; make it again: ambivox run", columns=_COLUMNS
    ).cast(pl.String)


def _mixed(folder: Path, ids: pl.Series) -> frozenset[str]:
    hashes: set[str] = set()
    for path in sorted(folder.glob("augmented/*/utterances.parquet")):
        table = read_parquet(
            path, "the mixes of DiME-Aug", columns=["parent_first", "parent_second", "audio_sha256"]
        )
        has_parent = pl.any_horizontal(pl.col("parent_first", "parent_second").is_in(ids.implode()))
        hashes |= set(table.filter(has_parent)["audio_sha256"])
    return frozenset(hashes)
