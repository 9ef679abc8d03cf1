"""A small table of recordings, with the columns that the README names, ends in a report whatever it lacks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.flows import project
from ambivox.flows.left_out import run_or_leave_out
from ambivox.flows.stage_arguments import stage_call
from ambivox.models.tables import Distributions
from tests.support.report_run import Page
from tests.support.scratch_project import init_repository

ROOT = Path(__file__).parents[2]
CLIPS = 24
LABELS = ("Anger", "Neutral", "Sadness")
CELLS = ("human-on", "pooled-on")
STAGES = (
    "ingest@ours",
    "pretrain@ours",
    "annotate@ours",
    "pool@ours",
    "validate@ours",
    "augment@ours-human",
    "augment@ours-pooled",
    *(f"{step}@ours-{cell}" for step in ("finetune", "predict") for cell in CELLS),
    "evaluate@ours",
    "report@ours",
)


def small_table(
    folder: Path,
    *,
    speakers: int = 3,
    votes: int = 3,
    labels: tuple[str, ...] = LABELS,
    with_speaker: bool = True,
) -> Path:
    """Tables with the README's columns: 24 tones whose pitch goes with the label that most raters gave."""
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    utterances, ratings = [], []
    for number in range(CLIPS):
        label = number % len(labels)
        time = np.arange(int(rng.uniform(0.4, 0.7) * 16_000)) / 16_000
        soundfile.write(
            folder / f"audio/call_{number:03}.wav",
            0.2 * np.sin(2 * np.pi * (300 + 500 * label) * time),
            16_000,
        )
        utterances.append({"utterance_id": f"call_{number:03}", "audio": f"audio/call_{number:03}.wav"})
        if with_speaker:
            utterances[-1] |= {"speaker": f"s{number % speakers}"}
        for rater in range(votes):
            given = labels[label] if rng.random() < 0.7 else labels[int(rng.integers(len(labels)))]
            ratings.append(
                {"utterance_id": f"call_{number:03}", "annotator_id": f"rater{rater}", "label": given}
            )
    pl.DataFrame(utterances).write_csv(folder / "utterances.csv")
    pl.DataFrame(ratings).write_csv(folder / "votes.csv")
    return folder


def run_stages(folder: Path, root: Path, **settings: dict[str, object]) -> str:
    """All stages of the pipeline in this process, and the text of the report."""
    shutil.copy(ROOT / "params.yaml", folder)
    job = project.Job("ours", "table", root, "tiny", settings, None, ("human", "pooled"), ("on",))
    project.enter(folder, job)
    for name in STAGES:
        run_or_leave_out(stage_call(Path(), name))
    return " ".join(Page((folder / "data/ours/report.html").read_text()).text.split())


@pytest.fixture(autouse=True)
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages read and write below the working folder."""
    monkeypatch.chdir(tmp_path)


NO_ALM = "No ALM is used here: 0 utterances with votes are reserved for training an ALM (split pretrain), and 20 are"
NO_HELD_OUT = "No human votes were held out"
NOT_SCORED = "No distribution is scored here: the split test is empty"


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, [NO_ALM, NO_HELD_OUT, "Human ceiling"]),
        ({"speakers": 2}, [NO_ALM, NO_HELD_OUT, "Human ceiling"]),
        ({"speakers": 6}, [NO_ALM, NO_HELD_OUT]),
        ({"speakers": 1}, [NO_ALM, NOT_SCORED]),
        ({"with_speaker": False}, [NO_ALM, NOT_SCORED]),
        ({"votes": 1}, [NO_ALM, NO_HELD_OUT]),
        ({"labels": ("Calm",)}, [NO_ALM, NO_HELD_OUT]),
        ({"speakers": 24}, [NO_ALM]),
    ],
    ids=[
        "3 speakers",
        "2 speakers",
        "6 speakers",
        "1 speaker",
        "no speakers",
        "one vote",
        "one label",
        "24 speakers",
    ],
)
def test_what_cannot_be_estimated_is_said_in_its_place(
    tmp_path: Path, table: dict[str, object], expected: list[str]
) -> None:
    text = run_stages(tmp_path, small_table(tmp_path / "recordings", **table))  # type: ignore[arg-type]
    for sentence in expected:
        assert sentence in text
    assert "No ALM is pooled" in text
    assert "No ALM is used here" in text
    assert "No model was fine-tuned: " in text
    assert "what the ALM answered" not in text
    assert "No headline figures" not in text
    assert "nan" not in text.split()
    human, pooled = (
        Distributions.read(tmp_path / f"data/ours/distributions/{name}.parquet")
        for name in ("human", "pooled")
    )
    assert len(human) == len(pooled) == CLIPS
    assert set(human.labels) == set(table.get("labels", LABELS))  # type: ignore[call-overload]


def test_why_steps_are_left_out_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run_stages(tmp_path, small_table(tmp_path / "recordings"))
    messages = [record.getMessage() for record in caplog.records]
    assert sum("reserved for training an ALM" in message for message in messages) == 1
    assert sum(message == "finetune is left out, too" for message in messages) == 2


def test_held_out_votes_score_the_human_distributions(tmp_path: Path) -> None:
    root = small_table(tmp_path / "recordings", votes=6)
    text = run_stages(tmp_path, root, ingest={"keep_votes": 3})
    metrics = json.loads((tmp_path / "data/ours/validation/metrics.json").read_text())
    assert 0 < metrics["human"]["js"] < 1
    assert "synthetic" not in metrics  # it would be the corpus prior under another name
    assert NO_HELD_OUT not in text


@pytest.mark.server
def test_the_command_ends_in_a_report(tmp_path: Path) -> None:
    # The folder's name is no markup, pattern, format or command.
    project = tmp_path / "x=1 [v2] *?'\"$(id)%s#;&"
    project.mkdir()
    for name in ("dvc.yaml", "params.yaml", "tasks", "models"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    init_repository(project)
    root = small_table(tmp_path / "own {recordings}")
    done = subprocess.run(
        [sys.executable, "-m", "ambivox", "run", "--corpus", "table", "--root", str(root), "--key", "ours"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = project / "data/ours/report.html"
    assert f"Report: {report}\n" in done.stdout
    assert NO_ALM in " ".join(Page(report.read_text()).text.split())
