"""Potato (potato-annotation): a labelling project for human annotators, and the votes from its result.

``write_project`` makes ``config.yaml`` and ``utterances.jsonl``, which ``potato start config.yaml`` runs as they are, and
``annotation_output/ANNOTATOR/user_state.json`` with the votes there are, as Potato keeps them. ``read_votes`` reads that
folder after the annotation, or what ``potato.export --format jsonl`` (``csv``, ``tsv``) writes. Distributions are not
written: Potato's suggestions need a model that it runs itself.

What an annotator chose, in user_state.json and in annotations.jsonl:

    {"user_id": "r1", "instance_id_to_label_to_value": {"u1": [[{"schema": "emotion", "name": "anger"}, "anger"]]}}
    {"instance_id": "u1", "user_id": "r1", "labels": {"emotion": {"anger": "anger"}}, "spans": {}, "links": {}}

Potato 1 kept ``ANNOTATOR/annotated_instances.jsonl`` instead, and ``annotated_instances`` in the format that
``output_annotation_format`` names with the choices of all; they are read, too (tables: ``_potato_tables``):

    {"id": "u1", "displayed_text": "", "label_annotations": {"emotion": {"anger": "true"}}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange._audio_addresses import audio_address, audio_root
from ambivox.models.exchange._opinions import Opinion, moment, votes_of
from ambivox.models.exchange._potato_keys import are_keys, configured_keys
from ambivox.models.exchange._potato_results import OUTPUT, STATE, read_entries
from ambivox.models.files import atomic_path, write_json
from ambivox.models.tables import Utterances, Votes

_SCHEMA = "emotion"
# Potato serves files of the project's folder media under this address.
_MEDIA = "/media/"
_LONGEST_NAME = 200  # of a folder


def write_project(tables: LinkedTables, folder: Path, audio_url: str | None = None) -> list[str]:
    """Write a project for ``potato start``.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
        audio_url: What takes the place of the folder that holds all local audio, such as ``https://host/audio/``.
            None has Potato serve it from the project's folder ``media``.

    Returns:
        Lines for the user: how the audio gets there, and what is not written.

    Raises:
        UserError: An annotator's labels have unequal weights, which Potato cannot represent.
    """
    frame = tables.utterances.frame
    root = audio_root(frame["audio"].to_list())
    grouped = tables.votes.frame.group_by("utterance_id", "annotator_id", maintain_order=True).agg(
        "label", weights=pl.col("weight").n_unique()
    )
    unequal = grouped.filter(pl.col("weights") > 1)
    if unequal.height:
        raise UserError(
            f"annotator {unequal['annotator_id'][0]!r} weighs the labels of {unequal['utterance_id'][0]!r} "
            "unequally; Potato only stores which labels were chosen"
        )
    several_labels = bool((grouped["label"].list.len() > 1).any())
    shows_transcript = frame["transcript"].drop_nulls().len() > 0
    with atomic_path(folder / "config.yaml") as temporary:
        _write_config(
            temporary, tables.labels, several_labels=several_labels, shows_transcript=shows_transcript
        )
    with atomic_path(folder / "utterances.jsonl") as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in frame.iter_rows(named=True):
            audio = audio_address(row["audio"], _MEDIA if audio_url is None else audio_url, root)
            item = {
                "utterance_id": row["utterance_id"],
                "audio": audio,
                "transcript": row["transcript"] or "",
            }
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
    for (annotator,), votes in grouped.group_by("annotator_id", maintain_order=True):
        _write_state(folder / OUTPUT, str(annotator), votes)
    notes = []
    if root is not None:
        notes.append(
            f"to let Potato play the audio, put {root} or a link to it at {folder / 'media'}, or export with --audio-url"
            if audio_url is None
            else f"{audio_url} stands for the folder {root}"
        )
    if tables.distributions is not None:
        notes.append(
            f"{counted(len(tables.distributions), 'distribution is', 'distributions are')} left out: Potato takes no suggestions from a file"
        )
    return notes


def read_votes(
    path: Path,
    utterances: Utterances,
    *,
    control: str = _SCHEMA,
    id_field: str = "utterance_id",
    known_annotators: Iterable[str] = (),
    imported_annotators: Iterable[str] = (),
) -> tuple[Votes, pl.DataFrame]:
    """Read human votes from Potato's result.

    Args:
        path: The project's folder, its annotation_output, or a file: annotations or annotated_instances (of Potato 1) as
            JSONL, CSV or TSV.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        control: The name of the annotation scheme with the labels.
        id_field: Unused: Potato identifies an item by the key that config.yaml names.
        known_annotators: See ``votes_of``.
        imported_annotators: See ``votes_of``.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.

    Raises:
        UserError: There is no result of Potato, or none of that annotation scheme.
    """
    entries = read_entries(path, control)
    keys: dict[str, str] | None = configured_keys(path, control)
    if not keys and are_keys(entry.values.get(control, {}) for entry in entries):
        keys = None
    label_of = {key: label for key, label in (keys or {}).items() if key not in utterances.labels}
    schemes = {scheme for entry in entries for scheme in entry.values if entry.chosen(scheme, keys)}
    if schemes and control not in schemes:
        raise UserError(
            f"{path}: no annotation scheme of the name {control!r} holds a choice; found {', '.join(sorted(schemes))}; name "
            "the one with the labels by --control"
        )
    opinions = [
        Opinion(
            task=number,
            data={id_field: entry.utterance_id},
            annotators=(entry.user,) if entry.user else (),
            labels=tuple(label_of.get(label, label) for label in entry.chosen(control, keys)),
            entered_at=moment(None),
            is_human=entry.is_human,
        )
        for number, entry in enumerate(entries, 1)
    ]
    return votes_of(
        opinions,
        utterances,
        path,
        id_field=id_field,
        known_annotators=known_annotators,
        imported_annotators=imported_annotators,
        tool="potato",
    )


def _write_config(
    path: Path, labels: tuple[str, ...], *, several_labels: bool, shows_transcript: bool
) -> None:
    """Write the project's configuration. Labels may hold any text; unquoted, Potato's YAML reads some as true or false."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    fields = [{"key": "audio", "type": "audio"}]
    if shows_transcript:
        fields.append({"key": "transcript", "type": "text"})
    config = {
        "annotation_task_name": "Which emotion do you hear?",
        "task_dir": ".",
        "output_annotation_dir": OUTPUT,
        "data_files": ["utterances.jsonl"],
        "item_properties": {"id_key": "utterance_id", "text_key": "transcript"},
        "instance_display": {"fields": fields},
        "annotation_schemes": [
            {
                "annotation_type": "multiselect" if several_labels else "radio",
                "name": _SCHEMA,
                "description": "Listen to the clip and choose the emotion that you hear in the voice.",
                "labels": [DoubleQuotedScalarString(label) for label in labels],
                "label_requirement": {"required": True},
            }
        ],
    }
    yaml = YAML()
    yaml.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(config, file)


def _write_state(output: Path, annotator: str, votes: pl.DataFrame) -> None:
    """Write the votes of an annotator as Potato keeps them; the folder's name is no path, whatever theirs is."""
    chosen = {
        utterance_id: [[{"schema": _SCHEMA, "name": label}, label] for label in labels]
        for utterance_id, labels in votes.select("utterance_id", "label").iter_rows()
    }
    name = quote(annotator, safe="@ +")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(annotator.encode()).hexdigest()
    write_json(output / name / STATE, {"user_id": annotator, "instance_id_to_label_to_value": chosen})
