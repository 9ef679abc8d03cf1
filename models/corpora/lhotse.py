"""Any corpus in lhotse's manifests of recordings and supervisions, with votes in the supervisions' custom fields.

From: the user; lhotse (lhotse.readthedocs.io) makes manifests of many corpora. Licence: the owner's.

The folder holds files such as recordings.jsonl and supervisions.jsonl.gz, one each or one each per split: a name that ends
in train, dev, development, valid or test gives the official split. A supervision is an utterance: its recording, or the
segment of it, and the channel where the recording has several. Paths of recordings are relative to the folder
or to the current one, or absolute. Votes are in a custom field: a list of objects with ``label`` (and ``annotator_id``, ``weight``), an object
from annotators to their labels, or a list of labels. The labels are those that occur, or those of the labels.json that
`ambivox export --format lhotse` writes.
Known defects: recordings that are commands, in memory, or of several files are rejected; commands are never run.
Transforms of recordings, such as Speed or ReverbWithImpulseResponse, are not applied, so that such recordings are rejected;
only Resample is accepted, and the file is heard at its own rate. Manifests of cuts are not read.

A row of supervisions.jsonl:

    {"id": "u1", "recording_id": "r1", "start": 0.0, "duration": 2.0, "channel": 0, "text": "Hi", "speaker": "s1",
     "custom": {"votes": [{"annotator_id": "r1", "label": "anger"}, {"annotator_id": "r2", "label": "neutral"}]}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData
from ambivox.models.ingestion.lhotse_manifests import (
    Recording,
    Supervision,
    manifests,
    read_labels,
    read_recordings,
    read_supervisions,
)
from ambivox.models.ingestion.rejected_rows import after_rejects
from ambivox.models.tables.rejects import REJECTS

_SPLITS = {
    "train": "train",
    "dev": "development",
    "development": "development",
    "valid": "development",
    "test": "test",
}
# A supervision that ends this close to its recording's end is all of it.
_ROUNDING_SECONDS = 0.001
_UTTERANCES: dict[str, Any] = {
    "utterance_id": pl.String,
    "audio": pl.String,
    "start_seconds": pl.Float64,
    "end_seconds": pl.Float64,
    "channel": pl.Int64,
    "transcript": pl.String,
    "speaker": pl.String,
    "language": pl.String,
    "sex": pl.String,
    "split": pl.String,
    "file": pl.String,
    "line": pl.Int64,
}
_VOTES: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator_id": pl.String,
    "label": pl.String,
    "weight": pl.Float64,
    "file": pl.String,
    "line": pl.Int64,
}
_Vote = tuple[str, str, float | None]


def load(root: Path, *, votes: str = "votes", labels: tuple[str, ...] = ()) -> CorpusData:
    """Read manifests of lhotse.

    Args:
        root: The folder with the manifests.
        votes: The custom field of the votes.
        labels: The label set, in order; by default that of labels.json, or the labels that occur.

    Returns:
        The utterances and their votes.

    Raises:
        UserError: There are no manifests, a line is something else, or there are neither votes nor labels.
    """
    recordings = {
        recording.id: recording
        for file in manifests(root, "recordings")
        for _, recording in read_recordings(file)
    }
    utterances: list[tuple[Any, ...]] = []
    given: list[tuple[Any, ...]] = []
    rejects: list[tuple[Any, ...]] = []
    heard: set[str] = set()
    fields: set[str] = set()
    for file in manifests(root, "supervisions"):
        split = _SPLITS.get(file.name.partition(".")[0].lower().rpartition("_")[2].rpartition("-")[2])
        for number, supervision in read_supervisions(file):
            place = (str(file), number)
            recording = recordings.get(supervision.recording_id)
            heard.add(supervision.recording_id)
            fields.update(supervision.custom)
            if problem := _problem(supervision, recording):
                rejects.append((*place, supervision.id, *problem))
                continue
            assert recording is not None
            utterances.append((*_utterance(supervision, recording, root), split, *place))
            content = supervision.custom.get(votes)
            opinions = list(_opinions(content, supervision.id))
            given += [(supervision.id, *opinion, *place) for opinion in opinions if opinion is not None]
            if None in opinions:
                rejects.append((*place, supervision.id, "unreadable votes", json.dumps(content)[:200]))
    table = pl.DataFrame(given, _VOTES, orient="row")
    if table["weight"].null_count():
        table = table.drop("weight")
    labels = labels or _known_labels(root) or tuple(sorted(table["label"].unique()))
    unusable = pl.DataFrame(rejects, REJECTS, orient="row")
    if not labels:
        advice = (
            ""
            if votes in fields
            else ", or the labels of a corpus without votes with --options.labels anger,joy"
        )
        raise after_rejects(UserError(f"{root}: {_no_votes(votes, fields)}{advice}"), unusable)
    notes = _notes([recording for name, recording in recordings.items() if name not in heard])
    if utterances and not given and votes not in fields:
        notes = (*notes, _no_votes(votes, fields))
    return CorpusData(
        labels=labels,
        utterances=pl.DataFrame(utterances, _UTTERANCES, orient="row"),
        votes=table,
        licence="that of the corpus the manifests are of",
        rejects=unusable,
        notes=notes,
    )


def _no_votes(field: str, fields: set[str]) -> str:
    """Say where votes were looked for, and where they may be."""
    if field in fields:
        return "no vote of a supervision can be used"
    custom = f"they have {', '.join(map(repr, sorted(fields)))}" if fields else "they have no custom fields"
    return f"no supervision has votes in its custom field {field!r}; {custom}; name the field with --options.votes FIELD"


def _notes(unheard: list[Recording]) -> tuple[str, ...]:
    """Count recordings without a supervision: all that tells of a manifest that was cut at the end of a line."""
    if not unheard:
        return ()
    return (
        f"{counted(len(unheard), 'recording has', 'recordings have')} no supervision and no votes, the first is "
        f"{unheard[0].id}; if they should have, the manifest of supervisions was cut short",
    )


def _known_labels(root: Path) -> tuple[str, ...]:
    try:
        return read_labels(root).labels
    except UserError:
        return ()  # another program's file


def _problem(supervision: Supervision, recording: Recording | None) -> tuple[str, str] | None:
    """Why a supervision cannot be used: the reason, and what was found."""
    if recording is None:
        return "supervision of an unknown recording", supervision.recording_id
    kinds = [source.type for source in recording.sources]
    if kinds not in (["file"], ["url"]):
        return "recording is no single file", ", ".join(kinds) or "no source"
    if changes := recording.changes():
        return "recording with transforms", (
            f"{', '.join(changes)} of {recording.id} not applied; save the audio as lhotse hears it "
            "(CutSet.save_audios) and name those files"
        )
    return None


def _utterance(supervision: Supervision, recording: Recording, root: Path) -> tuple[Any, ...]:
    source = recording.sources[0]
    below = root / source.source
    is_below = "://" not in source.source and os.path.exists(below)  # noqa: PTH110 - false for a name that no file can have
    audio = str(below) if is_below else source.source
    ends_with_it = supervision.start + supervision.duration >= recording.duration - _ROUNDING_SECONDS
    is_whole = supervision.start <= 0 and ends_with_it
    is_one_channel = len(source.channels) > 1 and isinstance(supervision.channel, int)
    return (
        supervision.id,
        audio,
        None if is_whole else supervision.start,
        None if is_whole else supervision.start + supervision.duration,
        supervision.channel + 1 if is_one_channel else None,  # type: ignore[operator]
        supervision.text,
        supervision.speaker,
        supervision.language,
        {"f": "female", "m": "male"}.get((supervision.gender or "").lower(), supervision.gender),
    )


def _opinions(content: Any, utterance_id: str) -> Iterator[_Vote | None]:
    """Annotator, label and weight of each vote; None for one that cannot be read."""
    if isinstance(content, dict):
        for annotator, labels in content.items():
            for label in labels if isinstance(labels, list) else [labels]:
                yield (annotator, label, None) if isinstance(label, str) else None
    elif isinstance(content, list):
        for number, vote in enumerate(content, 1):
            yield _opinion(vote, f"{utterance_id}#{number}")
    elif content is not None:
        yield None


def _opinion(vote: Any, anonymous: str) -> _Vote | None:
    if isinstance(vote, str):
        return anonymous, vote, None
    if not isinstance(vote, dict) or not isinstance(vote.get("label"), str):
        return None
    annotator, weight = vote.get("annotator_id"), vote.get("weight")
    name = anonymous if annotator is None else str(annotator)
    try:
        return name, vote["label"], float(weight) if isinstance(weight, int | float) else None
    except OverflowError:
        return None
