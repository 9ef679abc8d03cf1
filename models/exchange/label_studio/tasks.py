"""Writing a labelling project: its interface, and its tasks with the votes and predictions there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange._audio_addresses import audio_address, audio_root
from ambivox.models.files import atomic_path, write_json

CHOICES_NAME = "emotion"  # the name of the Choices element in config.xml, and of its results
ANNOTATOR_KEY = "annotator_id"  # in the meta of a result
# Where Label Studio serves files from, once LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true; a path relative to
# LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT follows.
LOCAL_FILES = "/data/local-files/?d="


def write(tables: LinkedTables, folder: Path, audio_url: str = LOCAL_FILES) -> Path | None:
    """Write config.xml and tasks.json.

    Existing human votes become annotations. An ALM's distribution becomes a prediction: its most probable label, with
    the probability as score.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
        audio_url: What takes the place of the folder that holds all local audio, such as
            ``https://host/audio/`` or ``s3://bucket/audio/``. Audio that has an address already keeps it.

    Returns:
        The folder that ``audio_url`` stands for; None where no audio is local.

    Raises:
        UserError: An annotator's labels have unequal weights, which Label Studio cannot represent.
    """
    annotations, several_labels = _annotations(tables.votes.frame)
    predictions = _predictions(tables)
    frame = tables.utterances.frame
    root = audio_root(frame["audio"].to_list())
    shows_transcript = frame["transcript"].drop_nulls().len() > 0
    tasks = [
        {
            "data": _data(row, audio_url, root),
            "annotations": annotations.get(row["utterance_id"], []),
            "predictions": predictions.get(row["utterance_id"], []),
        }
        for row in frame.iter_rows(named=True)
    ]
    config = _config(tables.labels, several_labels=several_labels, shows_transcript=shows_transcript)
    with atomic_path(folder / "config.xml") as temporary:
        temporary.write_text(config, encoding="utf-8")
    write_json(folder / "tasks.json", tasks)
    return root


def write_project(tables: LinkedTables, folder: Path, audio_url: str | None = None) -> list[str]:
    """Write config.xml and tasks.json; see ``write``.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
        audio_url: See ``write``; None has Label Studio serve local audio itself.

    Returns:
        What the user has to set up, in one line; no line where nothing is needed.

    Raises:
        UserError: See ``write``.
    """
    root = write(tables, folder, LOCAL_FILES if audio_url is None else audio_url)
    if root is None:
        return []
    if audio_url is not None:
        return [f"{audio_url} stands for the folder {root}"]
    return [
        "to let Label Studio play the audio, start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}, or export with --audio-url"
    ]


def _data(row: dict[str, Any], audio_url: str, root: Path | None) -> dict[str, str]:
    """What a task shows and returns; Label Studio refuses null where the interface shows a value."""
    optional = {name: row[name] for name in ("corpus", "speaker") if row[name] is not None}
    return {
        "audio": audio_address(row["audio"], audio_url, root),
        "utterance_id": row["utterance_id"],
        "transcript": row["transcript"] or "",
        **optional,
    }


def _annotations(votes: pl.DataFrame) -> tuple[dict[str, list[dict[str, Any]]], bool]:
    """Annotations per utterance, and whether any annotator gave several labels."""
    unequal = (
        votes.group_by("utterance_id", "annotator_id")
        .agg(pl.col("weight").n_unique())
        .filter(pl.col("weight") > 1)
    )
    if unequal.height:
        raise UserError(
            f"annotator {unequal['annotator_id'][0]!r} weighs the labels of {unequal['utterance_id'][0]!r} "
            "unequally; Label Studio only stores which labels were chosen"
        )
    grouped = votes.group_by("utterance_id", "annotator_id", maintain_order=True).agg("label")
    annotations: dict[str, list[dict[str, Any]]] = {}
    for utterance_id, annotator_id, labels in grouped.iter_rows():
        result = _result(labels) | {"meta": {ANNOTATOR_KEY: annotator_id}}
        annotations.setdefault(utterance_id, []).append({"result": [result]})
    return annotations, bool((grouped["label"].list.len() > 1).any())


def _predictions(tables: LinkedTables) -> dict[str, list[dict[str, Any]]]:
    """Predictions per utterance."""
    if tables.distributions is None:
        return {}
    frame = tables.distributions.frame
    p_NK = frame.select(tables.labels).to_numpy()
    best_N = p_NK.argmax(1)
    return {
        utterance_id: [
            {"model_version": source, "score": float(p_K[best]), "result": [_result([tables.labels[best]])]}
        ]
        for utterance_id, source, p_K, best in zip(
            frame["utterance_id"], frame["source"], p_NK, best_N, strict=True
        )
    }


def _result(labels: list[str]) -> dict[str, Any]:
    return {"from_name": CHOICES_NAME, "to_name": "audio", "type": "choices", "value": {"choices": labels}}


def _config(labels: tuple[str, ...], *, several_labels: bool, shows_transcript: bool) -> str:
    """The labelling interface. Labels may hold any text, so they are escaped."""
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in labels)
    choice = "multiple" if several_labels else "single"
    transcript = '  <Text name="transcript" value="$transcript"/>\n' if shows_transcript else ""
    return (
        f'<View>\n  <Audio name="audio" value="$audio"/>\n{transcript}'
        f'  <Choices name="{CHOICES_NAME}" toName="audio" choice="{choice}" required="true" showInLine="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )
