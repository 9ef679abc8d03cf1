"""Argilla (docs.argilla.io): a dataset for human annotators, and the votes from its records.

``write_project`` makes the folder that ``argilla.Dataset.from_disk`` uploads: ``.argilla/dataset.json``,
``.argilla/settings.json`` and ``records.json``. ``read_votes`` reads the ``records.json`` of ``Dataset.to_disk`` after the
annotation. An annotator is Argilla's id of the user.

A record as it is written, and as Argilla returns it:

    {"id": "u1", "fields": {"audio": {"url": "https://host/a.wav"}, "transcript": "Hi"}, "metadata": {"utterance_id": "u1"},
     "suggestions": {"emotion": {"value": "anger", "score": 0.75, "agent": "pooled"}}, "responses": {}, "vectors": {}}
    {"id": "u1", ..., "responses": {"emotion": [{"value": "anger", "user_id": "5a6ca2c5-..."}]}, "status": "completed"}

Argilla takes responses of its own users only, so earlier votes are not written. Suggestions are shown to annotators
before they choose, which biases them: leave distributions out where independent votes are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange._audio_addresses import audio_address, audio_root
from ambivox.models.exchange._opinions import ID_FIELD, Opinion, moment, votes_of
from ambivox.models.files import write_json
from ambivox.models.json_documents import read_json_document
from ambivox.models.tables import Utterances, Votes

_QUESTION = "emotion"
_FEWEST_OPTIONS = 2
# Handlebars escapes what is in double braces.
_PLAYER = '<audio controls preload="metadata" src="{{record.fields.audio.url}}"></audio>'
_EXPECTED = "a list of records, as argilla.Dataset.to_disk writes records.json"
_Text = str | int | float


class _Response(BaseModel):
    """What one user chose."""

    model_config = ConfigDict(extra="ignore")
    value: list[_Text] | _Text | None = None
    user_id: str | None = None


class _Record(BaseModel):
    """A record of Argilla's."""

    model_config = ConfigDict(extra="ignore")
    id: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    responses: dict[str, list[_Response]] = Field(default_factory=dict)


_RECORDS: TypeAdapter[list[_Record]] = TypeAdapter(list[_Record])


def write_project(tables: LinkedTables, folder: Path, audio_url: str | None = None) -> list[str]:
    """Write a dataset for ``argilla.Dataset.from_disk``.

    Args:
        tables: The tables to write. A distribution becomes a suggestion, its most probable label.
        folder: The folder to write to; it must exist.
        audio_url: What takes the place of the folder that holds all local audio, such as ``https://host/audio/``.

    Returns:
        Lines for the user.

    Raises:
        UserError: Audio is local and there is no ``audio_url``, as Argilla serves no files; or there are fewer labels
            than the two that Argilla needs.
    """
    frame = tables.utterances.frame
    root = audio_root(frame["audio"].to_list())
    if root is not None and audio_url is None:
        raise UserError(
            f"Argilla serves no audio: serve {root} by HTTP and give its address by --audio-url https://HOST/FOLDER/"
        )
    if len(tables.labels) < _FEWEST_OPTIONS:
        raise UserError(f"Argilla needs two labels or more, found {list(tables.labels)}")
    suggestions = _suggestions(tables)
    records = [_record(row, audio_url or "", root, suggestions) for row in frame.iter_rows(named=True)]
    shows_transcript = frame["transcript"].drop_nulls().len() > 0
    write_json(folder / ".argilla" / "dataset.json", {"name": _name(frame), "allow_extra_metadata": True})
    write_json(folder / ".argilla" / "settings.json", _settings(tables.labels, shows_transcript))
    write_json(folder / "records.json", records)
    notes = [f"{audio_url} stands for the folder {root}"] if root is not None else []
    if len(tables.votes):
        notes.append(
            f"{counted(len(tables.votes), 'vote stays', 'votes stay')} here: Argilla takes votes of its own users only"
        )
    return [*notes, "upload it with argilla.Dataset.from_disk(FOLDER, workspace=NAME)"]


def read_votes(
    path: Path,
    utterances: Utterances,
    *,
    control: str = _QUESTION,
    id_field: str = "utterance_id",
    known_annotators: Iterable[str] = (),
    imported_annotators: Iterable[str] = (),
) -> tuple[Votes, pl.DataFrame]:
    """Read human votes from Argilla's records.

    Args:
        path: The file records.json of ``argilla.Dataset.to_disk``, or the folder that holds it.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        control: The name of the question with the labels.
        id_field: The metadata that holds the utterance's id; records without it are matched by their own id.
        known_annotators: See ``votes_of``.
        imported_annotators: See ``votes_of``.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.

    Raises:
        UserError: The file holds no records of Argilla, or no answers to that question.
    """
    file = path / "records.json" if path.is_dir() else path
    records = read_json_document(file, _RECORDS, _EXPECTED)
    questions = {name for record in records for name, given in record.responses.items() if given}
    if questions and control not in questions:
        raise UserError(
            f"{file}: no question of the name {control!r} is answered; found {', '.join(sorted(questions))}; name the one "
            "with the labels by --control"
        )
    if records and id_field != ID_FIELD and not any(id_field in record.metadata for record in records):
        names = sorted({str(name) for record in records for name in record.metadata})
        raise UserError(
            f"{file}: no record has the metadata {id_field!r}; found {', '.join(names) or 'none'}; name the one with the "
            "utterance's id by --id-field"
        )
    return votes_of(
        list(_opinions(records, control, id_field)),
        utterances,
        file,
        id_field=id_field,
        known_annotators=known_annotators,
        imported_annotators=imported_annotators,
        tool="argilla",
    )


def _opinions(records: list[_Record], control: str, id_field: str) -> Iterator[Opinion]:
    for number, record in enumerate(records, 1):
        data = {id_field: record.id} | record.metadata
        for response in record.responses.get(control, []):
            values = response.value if isinstance(response.value, list) else [response.value]
            yield Opinion(
                task=number,
                data=data,
                annotators=(response.user_id,) if response.user_id else (),
                labels=tuple(str(value) for value in values if value is not None),
                entered_at=moment(None),
            )


def _record(
    row: dict[str, Any], audio_url: str, root: Path | None, suggestions: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    fields: dict[str, Any] = {"audio": {"url": audio_address(row["audio"], audio_url, root)}}
    if row["transcript"]:
        fields["transcript"] = row["transcript"]
    metadata = {name: row[name] for name in ("utterance_id", "corpus", "speaker") if row[name] is not None}
    suggestion = suggestions.get(row["utterance_id"])
    return {
        "id": row["utterance_id"],
        "fields": fields,
        "metadata": metadata,
        "suggestions": {_QUESTION: suggestion} if suggestion else {},
        "responses": {},
        "vectors": {},
    }


def _suggestions(tables: LinkedTables) -> dict[str, dict[str, Any]]:
    if tables.distributions is None:
        return {}
    frame = tables.distributions.frame
    p_NK = frame.select(tables.labels).to_numpy()
    return {
        utterance_id: {"value": tables.labels[p_K.argmax()], "score": float(p_K.max()), "agent": source}
        for utterance_id, source, p_K in zip(frame["utterance_id"], frame["source"], p_NK, strict=True)
    }


def _settings(labels: tuple[str, ...], shows_transcript: bool) -> dict[str, Any]:
    fields = [
        {
            "name": "audio",
            "title": "Audio",
            "required": True,
            "settings": {"type": "custom", "template": _PLAYER, "advanced_mode": False},
        }
    ]
    if shows_transcript:
        text = {"type": "text", "use_markdown": False}
        fields.append({"name": "transcript", "title": "Transcript", "required": False, "settings": text})
    options = [{"value": label, "text": label, "description": None} for label in labels]
    question = {
        "name": _QUESTION,
        "title": "Which emotion do you hear?",
        "description": None,
        "required": True,
        "settings": {"type": "label_selection", "options": options},
    }
    metadata = [
        {"name": name, "title": name, "visible_for_annotators": False, "settings": {"type": "terms"}}
        for name in ("utterance_id", "corpus", "speaker")
    ]
    return {
        "guidelines": "Listen to the clip and choose the emotion that you hear in the voice.",
        "fields": fields,
        "questions": [question],
        "vectors": [],
        "metadata": metadata,
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 3},
        "mapping": None,
    }


def _name(frame: pl.DataFrame) -> str:
    """The dataset's name, of the characters that Argilla allows."""
    names = "-".join(sorted(frame["corpus"].unique())) or "empty"
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in names)
