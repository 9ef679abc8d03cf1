"""Label Studio: a project whose raters listen and choose, with the ALM's prediction shown first; and its result.

``config.xml`` is the labelling interface and ``tasks.json`` the tasks, for Label Studio's import
(labelstud.io). What its JSON export gives back becomes human votes. A prediction that raters see pulls them
towards it: leave the distributions out where independent votes are wanted.

A task and what comes back of it (JSON; JSON-MIN is read too):

    {"data": {"audio": "...", "utterance_id": "u1"}, "predictions": [{"result": [{"value": {"choices":
    ["anger"]}}]}]} {"data": {...}, "annotations": [{"completed_by": 1, "result": [{"value": {"choices":
    ["anger"]}}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange import Bundle
from ambivox.models.files import atomic_path, write_json
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.reading import read_text
from ambivox.models.tables import Utterances, Votes

CHOICE = "emotion"


def write(bundle: Bundle, folder: Path) -> None:
    """Write config.xml and tasks.json. Local audio must be served to Label Studio under the path that is written.

    Human votes there already become annotations, an ALM's distribution the prediction: its most probable
    label, with that probability as score.

    Raises:
        UserError: an annotator's labels have unequal weights, which Label Studio has no place for.
    """
    votes = bundle.votes.frame
    unequal = (
        votes.group_by("utterance_id", "annotator_id")
        .agg(pl.col("weight").n_unique())
        .filter(pl.col("weight") > 1)
    )
    if unequal.height:
        raise UserError(
            f"annotator {unequal['annotator_id'][0]!r} weighs the labels of {unequal['utterance_id'][0]!r} "
            "unequally; Label Studio only knows which were chosen"
        )
    chosen = votes.group_by("utterance_id", "annotator_id", maintain_order=True).agg("label")
    given: dict[str, list[dict[str, Any]]] = {}
    for utterance_id, annotator_id, labels in chosen.iter_rows():
        annotation = {"completed_by": {"email": annotator_id}, "result": [_result(labels)]}
        given.setdefault(utterance_id, []).append(annotation)
    predicted = _predictions(bundle)
    tasks = [
        {
            "data": {
                name: row[name] for name in ("audio", "utterance_id", "corpus", "transcript", "speaker")
            },
            "annotations": given.get(row["utterance_id"], []),
            "predictions": predicted.get(row["utterance_id"], []),
        }
        for row in bundle.utterances.frame.iter_rows(named=True)
    ]
    several = bool((chosen["label"].list.len() > 1).any())
    with atomic_path(folder / "config.xml") as temporary:
        temporary.write_text(_config(bundle.labels, several=several), encoding="utf-8")
    write_json(folder / "tasks.json", tasks)


def read_votes(path: Path, utterances: Utterances) -> tuple[Votes, pl.DataFrame]:
    """Human votes from Label Studio's result (JSON or JSON-MIN), and what could not be used.

    An annotator is known by e-mail where the export has it, else by number. Of several annotations of one
    task by one annotator the last counts.

    Raises:
        UserError: not a result of Label Studio.
    """
    text, _ = read_text(path)
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}: not readable as JSON, perhaps cut short: {error.msg}"
        ) from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{path}: expected a list of tasks, as Label Studio exports under JSON or JSON-MIN")
    opinions = [opinion for number, task in enumerate(tasks) for opinion in _opinions(task, number)]
    kinds: dict[str, Any] = {
        "utterance_id": pl.String,
        "annotator_id": pl.String,
        "label": pl.List(pl.String),
        "problem": pl.String,
    }
    found = pl.DataFrame(opinions, kinds, orient="row").with_columns(file=pl.lit(str(path)))
    known = pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
    found = found.with_columns(
        problem=pl.when(~known.fill_null(value=False))
        .then(pl.lit("vote for an unknown utterance"))
        .otherwise("problem")
    )
    usable = found.filter(pl.col("problem").is_null())
    last = usable.select(pl.struct("utterance_id", "annotator_id").is_last_distinct()).to_series()
    rejects = [rejected(rows, str(why)) for (why,), rows in found.drop_nulls("problem").group_by("problem")]
    rejects.append(rejected(usable.filter(~last), "replaced by a later annotation"))
    labels = usable.filter(last).explode("label").unique(maintain_order=True)
    strange = ~pl.col("label").is_in(list(utterances.labels))
    rejects.append(rejected(labels.filter(strange), "unknown label", pl.col("label")))
    votes = (
        labels.filter(~strange)
        .select(
            "utterance_id",
            "annotator_id",
            annotator_kind=pl.lit("human"),
            label="label",
            weight=1 / pl.len().over("utterance_id", "annotator_id"),
        )
        .sort("utterance_id", "annotator_id", "label")
    )
    return Votes.check(votes, utterances.labels, str(path)), pl.concat(rejects).sort(
        pl.all(), nulls_last=True
    )


def _opinions(
    task: dict[str, Any], number: int
) -> Iterator[tuple[str | None, str | None, list[str] | None, str | None]]:
    """Utterance, annotator, labels and what is wrong, for each annotation of a task in either form of the export."""
    data = task.get("data", task)
    utterance_id = data.get("utterance_id") if isinstance(data, dict) else None
    utterance_id = utterance_id if isinstance(utterance_id, str) else f"task {number}"
    if "annotations" not in task and "annotation_id" in task:  # JSON-MIN: the answer is among the task's data
        choices = task.get(CHOICE)
        choices = choices.get("choices") if isinstance(choices, dict) else choices
        task = {
            "annotations": [
                {
                    "completed_by": task.get("annotator"),
                    "result": [{"from_name": CHOICE, "value": {"choices": choices}}],
                }
            ]
        }
    for annotation in task.get("annotations") or []:
        labels = list(_chosen(annotation))
        problem = (
            "skipped by the annotator"
            if annotation.get("was_cancelled")
            else None
            if labels
            else "no label chosen"
        )
        yield utterance_id, _annotator(annotation.get("completed_by")), labels, problem


def _chosen(annotation: dict[str, Any]) -> Iterator[str]:
    for part in annotation.get("result") or []:
        choices = part.get("value", {}).get("choices") if part.get("from_name") == CHOICE else None
        yield from [choices] if isinstance(choices, str) else choices or []


def _annotator(completed_by: Any) -> str:
    """E-mail or number, as text. An export without either has one annotator, called label_studio."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return "label_studio" if completed_by is None else str(completed_by)


def _predictions(bundle: Bundle) -> dict[str, list[dict[str, Any]]]:
    if bundle.distributions is None:
        return {}
    frame = bundle.distributions.frame
    p_NK = frame.select(bundle.labels).to_numpy()
    best_N = p_NK.argmax(1)
    return {
        utterance_id: [
            {"model_version": source, "score": float(p_K[best]), "result": [_result([bundle.labels[best]])]}
        ]
        for utterance_id, source, p_K, best in zip(
            frame["utterance_id"], frame["source"], p_NK, best_N, strict=True
        )
    }


def _result(labels: list[str]) -> dict[str, Any]:
    return {"from_name": CHOICE, "to_name": "audio", "type": "choices", "value": {"choices": labels}}


def _config(labels: tuple[str, ...], *, several: bool) -> str:
    """The labelling interface. Labels come from disk, so they are escaped."""
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in labels)
    kind = "multiple" if several else "single"
    return (
        f'<View>\n  <Audio name="audio" value="$audio"/>\n  <Text name="transcript" value="$transcript"/>\n'
        f'  <Choices name="{CHOICE}" toName="audio" choice="{kind}" required="true" showInLine="true">\n{choices}'
        "  </Choices>\n</View>\n"
    )
