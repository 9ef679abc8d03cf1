"""The place in which commands are given wrong words: a project in which everything has run, and what its user has beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

from tests.mistakes.forked import make_place
from tests.mistakes.paths import make_wrong
from tests.support.scratch_project import ROOT, make_project


def make_original(place: Path, data: Path) -> Path:
    """Make the place.

    Args:
        place: The folder to make.
        data: ``data/demo`` of a project of the demo in which all has run.
    """
    make_place(place)
    project = place / "project"
    make_project(project)
    shutil.copytree(data, project / "data/demo", symlinks=True)
    make_wrong(place / "wrong")
    (project / "recordings").mkdir()
    audio = sorted((project / "data/demo/raw").rglob("*.wav"))[:12]
    for path in audio:
        shutil.copy(path, project / "recordings")
    rows = ["file,rater,emotion,speaker"]
    rows += [f"{path.name},r{rater},{'angry' if number % 2 else 'sad'},s{number % 4}" for number, path in enumerate(audio) for rater in range(3)]  # fmt: skip
    (project / "recordings/votes.csv").write_text("\n".join(rows) + "\n")
    table = pq.read_table(project / "data/demo/ingest/utterances.parquet", use_threads=False)
    names = table["utterance_id"].to_pylist()
    (project / "people.txt").write_text(names[0] + "\n")
    (project / "answers.csv").write_text(
        "utterance_id,model,label\n" + "".join(f"{name},gpt,anger\n" for name in names)
    )
    tasks = [
        {"data": {"utterance_id": name}, "annotations": [{"completed_by": 1, "result": [{"from_name": "emotion", "value": {"choices": ["anger"]}}]}]}
        for name in names
    ]  # fmt: skip
    (project / "export.json").write_text(json.dumps(tasks))
    (project / "personas.toml").write_text('calm = "You listen calmly."\n')
    (project / "labels.toml").write_text(
        'anger = "anger"\nsadness = "sadness"\nangry = "anger"\nsad = "sadness"\n'
    )
    shutil.copy(ROOT / "CITATION.cff", project)
    who = ("-c", "user.name=A. Person", "-c", "user.email=a@example.org")
    for words in (("add", "-A"), (*who, "commit", "-qm", "A project")):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    return place
