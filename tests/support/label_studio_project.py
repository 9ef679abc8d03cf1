"""What Label Studio does with a project, after its documentation and sources: import, work of raters, exports."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

MEMBERS = {"lead@example.org": 1, "Rater.Two@example.org": 2, "third@example.org": 3}
# The types that a tag of the interface shows; a value of another type, or none, refuses the whole file.
_SHOWN = {"Audio": (str,), "Text": (str, int, float)}


def import_faults(folder: Path) -> list[str]:
    """Why Label Studio would refuse the tasks; empty where it takes them."""
    root = ElementTree.parse(folder / "config.xml").getroot()  # noqa: S314 - written by the test
    shown = {tag.get("value", "")[1:]: tag.tag for tag in root.iter() if tag.get("value", "").startswith("$")}
    faults = []
    for number, task in enumerate(json.loads((folder / "tasks.json").read_text())):
        for name, tag in shown.items():
            if not isinstance(task["data"].get(name), _SHOWN[tag]):
                faults.append(f"{number}: {name} = {task['data'].get(name)!r} for {tag}")
        for annotation in task.get("annotations", []):
            by = annotation.get("completed_by")
            if by is not None and (not isinstance(by, dict) or by.get("email") not in MEMBERS):
                faults.append(f"{number}: completed_by {by!r}")
    return faults


def export(
    folder: Path, answers: Mapping[str, Sequence[tuple[str, Sequence[str], str]]], control: str = "emotion"
) -> list[dict[str, Any]]:
    """The JSON export after raters worked on the tasks that ``folder`` holds.

    Args:
        folder: config.xml and tasks.json.
        answers: Per utterance the e-mail address of a rater, the labels and the date.
        control: The name of the Choices element.
    """
    exported = []
    annotation_id = 100
    for number, task in enumerate(json.loads((folder / "tasks.json").read_text()), 1):
        # Annotations that came with the import belong to the user who imported them.
        annotations = [
            {"id": number, "completed_by": 1, "was_cancelled": False, "ground_truth": False, **annotation}
            for annotation in task.get("annotations", [])
        ]
        for email, labels, date in answers.get(task["data"]["utterance_id"], []):
            annotation_id += 1
            value = {
                "value": {"choices": list(labels)},
                "id": "abc",
                "from_name": control,
                "to_name": "audio",
            }
            annotations.append(
                {
                    "id": annotation_id,
                    "completed_by": {"id": MEMBERS[email], "email": email, "first_name": "", "last_name": ""},
                    "result": [value | {"type": "choices", "origin": "manual"}],
                    "was_cancelled": False,
                    "ground_truth": False,
                    "created_at": date,
                    "updated_at": date,
                    "lead_time": 4.2,
                    "draft_created_at": None,
                    "parent_prediction": None,
                }
            )
        exported.append(
            {
                "id": 1000 + number,
                "annotations": annotations,
                "drafts": [],
                "predictions": [],
                "data": task["data"],
                "meta": {},
                "created_at": "2026-01-01T00:00:00.000000Z",
                "inner_id": number,
                "project": 7,
            }
        )
    return exported


def minimal(exported: Sequence[Mapping[str, Any]], control: str = "emotion") -> list[dict[str, Any]]:
    """The same as JSON-MIN: a row per annotation; one choice is a text, several are a mapping."""
    rows = []
    for task in exported:
        for annotation in task["annotations"]:
            choices = annotation["result"][0]["value"]["choices"]
            by = annotation["completed_by"]
            rows.append(
                {
                    **task["data"],
                    "id": task["id"],
                    control: choices[0] if len(choices) == 1 else {"choices": choices},
                    "annotator": by["email"] if isinstance(by, dict) else by,
                    "annotation_id": annotation["id"],
                    "created_at": annotation.get("created_at"),
                    "updated_at": annotation.get("updated_at"),
                    "lead_time": annotation.get("lead_time"),
                }
            )
    return rows


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path, delimiter: str = ",") -> Path:
    """The rows of JSON-MIN as CSV: mappings as JSON, null as nothing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()})
    return path
