"""Label Studio (labelstud.io): a labelling project for human annotators, and the votes from its result.

``config.xml`` is the labelling interface and ``tasks.json`` the tasks, for Label Studio's import. The JSON or JSON-MIN
export of the finished project becomes human votes. An ALM's distribution becomes a prediction, which annotators see
before they choose and which biases them: leave distributions out where independent votes are needed.

A task as it is written, and as the JSON export returns it:

    {"data": {"audio": "...", "utterance_id": "u1"},
     "predictions": [{"result": [{"value": {"choices": ["anger"]}}]}]}
    {"data": {"audio": "...", "utterance_id": "u1"},
     "annotations": [{"completed_by": 1, "result": [{"value": {"choices": ["anger"]}}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.files import atomic_path, write_json
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.reading import read_text
from ambivox.models.tables import Utterances, Votes

CHOICES_NAME = "emotion"  # the name of the Choices element in config.xml, and of its results
_ANNOTATION_SCHEMA: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator_id": pl.String,
    "label": pl.List(pl.String),
    "problem": pl.String,
}


def write(tables: LinkedTables, folder: Path) -> None:
    """Write config.xml and tasks.json. Label Studio must be able to load local audio from the paths in the tables.

    Existing human votes become annotations. An ALM's distribution becomes a prediction: its most probable label, with
    the probability as score.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.

    Raises:
        UserError: An annotator's labels have unequal weights, which Label Studio cannot represent.
    """
    annotations, several_labels = _annotations(tables.votes.frame)
    predictions = _predictions(tables)
    tasks = [
        {
            "data": {
                name: row[name] for name in ("audio", "utterance_id", "corpus", "transcript", "speaker")
            },
            "annotations": annotations.get(row["utterance_id"], []),
            "predictions": predictions.get(row["utterance_id"], []),
        }
        for row in tables.utterances.frame.iter_rows(named=True)
    ]
    with atomic_path(folder / "config.xml") as temporary:
        temporary.write_text(_config(tables.labels, several_labels=several_labels), encoding="utf-8")
    write_json(folder / "tasks.json", tasks)


def read_votes(path: Path, utterances: Utterances) -> tuple[Votes, pl.DataFrame]:
    """Read human votes from Label Studio's result.

    An annotator is identified by e-mail address where the export has it, else by number. If an annotator has several
    annotations of one task, the last counts.

    Args:
        path: The JSON or JSON-MIN export.
        utterances: The utterances that votes may be for, with the labels that are allowed.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.

    Raises:
        UserError: The file is not a result of Label Studio.
    """
    annotations = _read_annotations(path)
    is_known = pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
    annotations = annotations.with_columns(
        problem=pl.when(~is_known.fill_null(value=False))
        .then(pl.lit("vote for an unknown utterance"))
        .otherwise("problem")
    )
    usable = annotations.filter(pl.col("problem").is_null())
    is_last = usable.select(pl.struct("utterance_id", "annotator_id").is_last_distinct()).to_series()
    labels = usable.filter(is_last).explode("label").unique(maintain_order=True)
    is_unknown_label = ~pl.col("label").is_in(list(utterances.labels))
    votes = (
        labels.filter(~is_unknown_label)
        .select(
            "utterance_id",
            "annotator_id",
            annotator_kind=pl.lit("human"),
            label="label",
            weight=1 / pl.len().over("utterance_id", "annotator_id"),
        )
        .sort("utterance_id", "annotator_id", "label")
    )
    rejects = [
        *(
            rejected(rows, str(problem))
            for (problem,), rows in annotations.drop_nulls("problem").group_by("problem")
        ),
        rejected(usable.filter(~is_last), "replaced by a later annotation"),
        rejected(labels.filter(is_unknown_label), "unknown label", pl.col("label")),
    ]
    return Votes.check(votes, utterances.labels, str(path)), pl.concat(rejects).sort(
        pl.all(), nulls_last=True
    )


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
        annotation = {"completed_by": {"email": annotator_id}, "result": [_result(labels)]}
        annotations.setdefault(utterance_id, []).append(annotation)
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


def _config(labels: tuple[str, ...], *, several_labels: bool) -> str:
    """The labelling interface. Labels may hold any text, so they are escaped."""
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in labels)
    choice = "multiple" if several_labels else "single"
    return (
        f'<View>\n  <Audio name="audio" value="$audio"/>\n  <Text name="transcript" value="$transcript"/>\n'
        f'  <Choices name="{CHOICES_NAME}" toName="audio" choice="{choice}" required="true" showInLine="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )


def _read_annotations(path: Path) -> pl.DataFrame:
    """One row per annotation in the export, with ``problem`` where it cannot be used."""
    text, _ = read_text(path)
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}: not readable as JSON, perhaps cut short: {error.msg}"
        ) from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{path}: expected a list of tasks, as Label Studio exports under JSON or JSON-MIN")
    rows = [row for number, task in enumerate(tasks) for row in _annotation_rows(task, number)]
    return pl.DataFrame(rows, _ANNOTATION_SCHEMA, orient="row").with_columns(file=pl.lit(str(path)))


def _annotation_rows(
    task: dict[str, Any], number: int
) -> Iterator[tuple[str | None, str | None, list[str] | None, str | None]]:
    """Utterance, annotator, labels and problem of each annotation of a task."""
    data = task.get("data", task)
    utterance_id = data.get("utterance_id") if isinstance(data, dict) else None
    utterance_id = utterance_id if isinstance(utterance_id, str) else f"task {number}"
    for annotation in _from_json_min(task).get("annotations") or []:
        labels = list(_chosen_labels(annotation))
        problem = None if labels else "no label chosen"
        if annotation.get("was_cancelled"):
            problem = "skipped by the annotator"
        yield utterance_id, _annotator_id(annotation.get("completed_by")), labels, problem


def _from_json_min(task: dict[str, Any]) -> dict[str, Any]:
    """Convert a task of JSON-MIN, which has the annotation among the task's data, to the form of JSON."""
    if "annotations" in task or "annotation_id" not in task:
        return task
    value = task.get(CHOICES_NAME)
    choices = value.get("choices") if isinstance(value, dict) else value
    result = {"from_name": CHOICES_NAME, "value": {"choices": choices}}
    return {"annotations": [{"completed_by": task.get("annotator"), "result": [result]}]}


def _chosen_labels(annotation: dict[str, Any]) -> Iterator[str]:
    for result in annotation.get("result") or []:
        choices = result.get("value", {}).get("choices") if result.get("from_name") == CHOICES_NAME else None
        yield from [choices] if isinstance(choices, str) else choices or []


def _annotator_id(completed_by: Any) -> str:
    """E-mail address or number, as text; "label_studio" where the export has neither."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return "label_studio" if completed_by is None else str(completed_by)
