"""lhotse (lhotse.readthedocs.io): manifests of recordings and supervisions, one supervision per utterance.

``RecordingSet.from_file("recordings.jsonl")`` and ``SupervisionSet.from_file("supervisions.jsonl")`` load them. A
supervision's ``custom`` holds ``votes`` (a list of annotator, kind, label and weight), ``distribution`` (a probability per
label) with ``source`` and numbers of votes, ``ratings`` of arousal, valence and dominance where there are any, and ``utterance``, the columns that lhotse has no field for. ``labels.json``
holds the label set in order. Writing and reading need no library; the corpus ``lhotse`` (models/corpora/lhotse.py) reads
manifests of others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.opening import open_audio
from ambivox.models.audio.sounds import open_sound
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange._audio_addresses import names_without_root
from ambivox.models.files import atomic_path, write_json
from ambivox.models.ingestion.lhotse_manifests import (
    manifests,
    read_labels,
    read_recordings,
    read_supervisions,
)
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes

# Fields of a supervision that hold a column as it is.
_FIELDS = {"text": "transcript", "language": "language", "speaker": "speaker", "gender": "sex"}
_VOTE = ("annotator_id", "annotator_kind", "label", "weight")
_DISTRIBUTION = ("source", "human_votes", "equivalent_votes")


def write(tables: LinkedTables, folder: Path) -> None:
    """Write recordings.jsonl, supervisions.jsonl and labels.json.

    Channels and lengths of recordings are read from their headers; where a recording is not at hand, it is taken to have
    one channel (or as many as its utterances need) and to end with its last utterance.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
    """
    frame = tables.utterances.frame
    audio = frame["audio"].unique(maintain_order=True).to_list()
    names = names_without_root(audio)
    identifiers = dict(zip(audio, names if len(set(names)) == len(names) else audio, strict=True))
    recordings = {name: _recording(identifiers[name], name, rows) for (name,), rows in _by_audio(frame)}
    votes: dict[str, list[dict[str, Any]]] = {}
    for row in tables.votes.frame.iter_rows(named=True):
        votes.setdefault(row["utterance_id"], []).append({name: row[name] for name in _VOTE})
    ratings: dict[str, list[dict[str, Any]]] = {}
    for row in () if tables.ratings is None else tables.ratings.frame.iter_rows(named=True):
        ratings.setdefault(row.pop("utterance_id"), []).append(row)
    distributions = {} if tables.distributions is None else _distributions(tables.distributions)
    supervisions = [
        _supervision(
            row,
            recordings[row["audio"]],
            {"votes": votes.get(row["utterance_id"], [])}
            | distributions.get(row["utterance_id"], {})
            | ({"ratings": ratings[row["utterance_id"]]} if row["utterance_id"] in ratings else {}),
        )
        for row in frame.iter_rows(named=True)
    ]
    _write_lines(folder / "recordings.jsonl", recordings.values())
    _write_lines(folder / "supervisions.jsonl", supervisions)
    present = {
        "distributions": tables.distributions is not None,
        "ratings": tables.ratings is not None,
    }
    write_json(folder / "labels.json", {"labels": list(tables.labels)} | present)


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: The folder has no manifests that Ambivox exported.
    """
    known = read_labels(folder)
    labels, has_distributions, has_ratings = known.labels, known.distributions, known.ratings
    sources = {
        recording.id: recording.sources[0].source
        for file in manifests(folder, "recordings")
        for _, recording in read_recordings(file)
        if recording.sources
    }
    utterances: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    distributions: list[dict[str, Any]] = []
    ratings: list[dict[str, Any]] = []
    for file in manifests(folder, "supervisions"):
        for number, supervision in read_supervisions(file):
            custom, name = supervision.custom, {"utterance_id": supervision.id}
            fields = {column: getattr(supervision, field) for field, column in _FIELDS.items()}
            try:
                utterances.append(
                    name | fields | {"audio": sources[supervision.recording_id]} | custom["utterance"]
                )
                votes += [name | vote for vote in custom["votes"]]
                ratings += [name | rating for rating in custom.get("ratings", ())]
                if "distribution" in custom:
                    fixed = {column: custom[column] for column in _DISTRIBUTION}
                    distributions.append(name | fixed | custom["distribution"])
            except (KeyError, TypeError) as error:
                raise UserError(
                    f"{file}:{number}: not a supervision that Ambivox exported ({type(error).__name__}: {error})"
                ) from error
    frames = (
        (utterances, Utterances.required | Utterances.optional),
        (votes, Votes.required),
        (distributions, Distributions.required | dict.fromkeys(labels, pl.Float64)),
        (ratings, Ratings.required | Ratings.optional),
    )
    try:
        tables = [pl.DataFrame(rows, schema=columns, orient="row") for rows, columns in frames]
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise UserError(f"{folder}: not manifests that Ambivox exported ({error})") from error
    return LinkedTables.of(
        Utterances.check(tables[0], labels, str(folder)),
        Votes.check(tables[1], labels, str(folder)),
        Distributions.check(tables[2], labels, str(folder)) if has_distributions else None,
        Ratings.check(tables[3], labels, str(folder)) if has_ratings else None,
    )


def _by_audio(frame: pl.DataFrame) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    return frame.group_by("audio", maintain_order=True)


def _recording(identifier: str, audio: str, rows: pl.DataFrame) -> dict[str, Any]:
    """A recording, with the length and channels that its header tells."""
    rate_hz = int(rows["sample_rate_hz"][0])
    ends = pl.coalesce("end_seconds", pl.col("start_seconds").fill_null(0) + pl.col("duration_seconds")).max()
    end_seconds, channels = rows.select(ends, pl.col("channel").max().fill_null(1)).row(0)
    samples = round(end_seconds * rate_hz)
    try:
        with open_audio(audio) as source:
            sound = open_sound(source, audio)
            channels, samples = sound.channels, sound.frames or samples
            sound.close()
    except (AudioError, UserError):
        pass
    present = list(range(channels))
    kind = "url" if "://" in audio else "file"
    return {
        "id": identifier,
        "sources": [{"type": kind, "channels": present, "source": audio}],
        "sampling_rate": rate_hz,
        "num_samples": samples,
        "duration": samples / rate_hz,
        "channel_ids": present,
    }


def _supervision(row: dict[str, Any], recording: dict[str, Any], custom: dict[str, Any]) -> dict[str, Any]:
    present = recording["channel_ids"]
    channel = row["channel"] - 1 if row["channel"] is not None else present if len(present) > 1 else 0
    fields = {field: row[column] for field, column in _FIELDS.items() if row[column] is not None}
    others = {
        column: value
        for column, value in row.items()
        if value is not None and column not in (*_FIELDS.values(), "utterance_id", "audio")
    }
    return (
        {
            "id": row["utterance_id"],
            "recording_id": recording["id"],
            "start": row["start_seconds"] or 0.0,
            "duration": row["duration_seconds"],
            "channel": channel,
        }
        | fields
        | {"custom": custom | {"utterance": others}}
    )


def _distributions(table: Distributions) -> dict[str, dict[str, Any]]:
    return {
        row["utterance_id"]: {column: row[column] for column in _DISTRIBUTION}
        | {"distribution": {label: row[label] for label in table.labels}}
        for row in table.frame.iter_rows(named=True)
    }


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
