"""What is killed: every step as a stage on the demo's tables, the commands beside the pipeline, and `ambivox run`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.crashes.trial import Scenario

# The options of a run that takes seconds per stage.
SMALL = {
    "ingest.options.speakers": 12,
    "ingest.options.utterances": 20,
    "pretrain.epochs": 2,
    "augment.ratio": 1.0,
    "finetune.epochs": 6,
    "annotate.shard": 8,
    "annotate.engine": "transformers",
    "annotate.orders": 2,
    "annotate.personas": ["tone"],
}
# Per stage what it reads and writes below data/demo/, and where else it may continue.
_STAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "ingest@demo": ((), "ingest"),
    "pretrain@demo": (("raw", "ingest"), "alm"),
    "annotate@demo": (("raw", "ingest", "alm"), "annotations"),
    "pool@demo": (("ingest", "annotations"), "distributions"),
    "validate@demo": (("ingest", "annotations", "distributions"), "validation"),
    "trial@demo": (("ingest", "annotations"), "trial"),
    "augment@demo-human": (("raw", "ingest", "distributions"), "augmented/human"),
    "finetune@demo-human-on": (("raw", "ingest", "alm", "distributions", "augmented"), "finetuned/human-on"),
    "predict@demo-human-on": (("raw", "ingest", "alm", "finetuned"), "predictions/human-on.parquet"),
    "evaluate@demo": (("ingest", "annotations", "distributions", "predictions"), "evaluation"),
    "report@demo": (
        ("raw", "ingest", "annotations", "distributions", "validation", "evaluation"),
        "report.html",
    ),
}
_INGEST = "data/demo/ingest"
_TABLES = ("--utterances", f"{_INGEST}/utterances.parquet", "--votes", f"{_INGEST}/votes.parquet")
_ANSWERS = "data/demo/annotations/annotations.parquet"


def scenarios(base: Path) -> dict[str, Scenario]:
    """All scenarios on a project that has run (``params`` of it are SMALL)."""
    found: dict[str, Scenario] = {}
    for stage, (inputs, output) in _STAGES.items():
        step = stage.partition("@")[0]
        names = ["params.yaml", *(f"data/demo/{name}" for name in inputs)]
        outputs: tuple[str, ...] = (f"data/demo/{output}", *(("data/demo/raw",) if step == "ingest" else ()))
        stores: tuple[str, ...] = (".ambivox/store",) if step == "annotate" else ()
        prepare = _copy(base, names)
        if step == "annotate":
            prepare = _with_engine(prepare, "transformers")
        found[step] = Scenario(step, prepare, ("stage", step, "--name", stage), outputs, stores)
    found["annotate-vllm"] = replace(
        found["annotate"],
        name="annotate-vllm",
        prepare=_with_engine(found["annotate"].prepare, "vllm"),
        tolerance=1e-4,
    )
    all_outputs = tuple(f"data/demo/{output}" for _, output in _STAGES.values())
    found["run"] = Scenario(
        "run",
        _whole(base),
        ("run",),
        all_outputs,
        (".ambivox/store",),
        facts=_unfinished,
        moments=tuple(f"── {stage}" for stage in _STAGES),
        prepare_moment=_changed_code,
    )
    fake = (
        "annotate",
        "--utterances",
        f"{_INGEST}/utterances.parquet",
        "--alm",
        "qwen2_audio",
        "--engine",
        "fake",
        "--shard",
        "4",
        "--orders",
        "2",
        "--store",
        "store",
        "--out",
        "out",
    )
    tables = ["data/demo/raw", _INGEST]
    whole = [*tables, "data/demo/annotations", "data/demo/distributions"]
    commands: dict[str, tuple[list[str], tuple[str, ...], tuple[str, ...]]] = {
        "annotate-fake": (tables, fake, ("store",)),
        "plan-labels": (whole, ("plan-labels", *_TABLES, "--heldout", f"{_INGEST}/heldout.parquet", "--annotations", _ANSWERS, "--budget", "20", "--out", "out"), ()),
        **{
            f"export-{form}": (whole, ("export", *_TABLES, "--distributions", "data/demo/distributions/pooled.parquet", "--format", form, "--out", "out"), ())
            for form in ("csv", "parquet", "huggingface", "audformat", "label_studio")
        },
    }  # fmt: skip
    for name, (names, words, stores) in commands.items():
        found[name] = Scenario(name, _copy(base, names), words, ("out",), stores)
    found["import-votes"] = Scenario(
        "import-votes",
        _with_export(base),
        ("import-votes", "--source", "export.json", "--into", "demo"),
        ("imported_votes/demo.csv", "imported_votes/demo-rejects.parquet"),
    )
    found["import-annotations"] = Scenario(
        "import-annotations",
        _with_answers(base),
        (
            "import-annotations",
            "--source",
            "answers.csv",
            "--utterances",
            f"{_INGEST}/utterances.parquet",
            "--out",
            "out",
        ),
        ("out",),
    )
    found["release"] = Scenario(
        "release",
        _released(base),
        ("release", "--data", "data/demo", "--version", "v1"),
        ("releases/demo-v1.md", "releases/demo-v1.json"),
        facts=_tags,
        is_repeatable=False,
    )
    return found


def set_small(project: Path) -> None:
    """Write SMALL, a trial and a smaller matrix into a project's params.yaml."""
    with _params(project) as params:
        for name, value in SMALL.items():
            step, *inner, option = name.split(".")
            place = params["pretrain"]["demo"] if step == "pretrain" else params["corpora"]["demo"][step]
            for part in inner:
                place = place[part]
            place[option] = value
        params["trial"]["demo"] = {"votes_kept": [1], "draws": 1}
        params["matrix"]["sources"] = ["human"]


@contextmanager
def _params(project: Path) -> Iterator[Any]:
    """A project's params.yaml, written back at the end."""
    path, yaml = project / "params.yaml", YAML()
    params = yaml.load(path)
    yield params
    yaml.dump(params, path)


def _copy(base: Path, names: list[str]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        for name in names:
            source, target = base / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)

    return prepare


def _with_engine(prepare: Callable[[Path], None], engine: str) -> Callable[[Path], None]:
    """A corpus of which the test speakers are annotated, on that engine."""

    def prepare_with_engine(folder: Path) -> None:
        prepare(folder)
        with _params(folder) as params:
            params["corpora"]["demo"]["annotate"] |= {"engine": engine, "splits": ["test"]}

    return prepare_with_engine


def _whole(base: Path) -> Callable[[Path], None]:
    """A project in which all has run, with DVC's cache."""

    def prepare(folder: Path) -> None:
        folder.rmdir()
        shutil.copytree(base, folder, symlinks=True)

    return prepare


def _changed_code(folder: Path, moment: str) -> Callable[[], object]:
    """Make a stage stale by a change of its step's code; DVC takes the earlier output from its cache once it is undone."""
    code = folder / "tasks" / f"{moment.removeprefix('── ').partition('@')[0]}.py"
    text = code.read_text(encoding="utf-8")
    code.write_text(f"{text}# changed\n", encoding="utf-8")
    return lambda: code.write_text(text, encoding="utf-8")


def _unfinished(folder: Path) -> object:
    """The stages that are stale, and the flow runs that Prefect still takes to be running."""
    from ambivox.flows.pipeline import stages

    with sqlite3.connect(folder / ".ambivox/prefect/prefect.db") as connection:
        states = [row[0] for row in connection.execute("select state_type from flow_run")]
    unended = [state for state in states if state in ("RUNNING", "PENDING", "SCHEDULED")]
    return [stage.address for stage in stages(folder, ("demo",)) if stage.stale], unended


def _with_export(base: Path) -> Callable[[Path], None]:
    """A corpus, and a Label Studio export about it."""
    import polars as pl

    listed = pl.read_parquet(base / _INGEST / "utterances.parquet")["utterance_id"].to_list()
    labels = json.loads(pl.read_parquet_metadata(base / _INGEST / "utterances.parquet")["ambivox.labels"])
    tasks = [
        {
            "data": {"utterance_id": name},
            "annotations": [
                {"completed_by": rater, "result": [{"from_name": "emotion", "value": {"choices": [labels[(number + rater) % len(labels)]]}}]}
                for rater in range(3)
            ],
        }
        for number, name in enumerate(listed)
    ]  # fmt: skip

    def prepare(folder: Path) -> None:
        _copy(base, [_INGEST])(folder)
        (folder / "export.json").write_text(json.dumps(tasks))

    return prepare


def _with_answers(base: Path) -> Callable[[Path], None]:
    import polars as pl

    answers = pl.read_parquet(base / _INGEST / "votes.parquet").select(
        "utterance_id", "label", model=pl.lit("gpt")
    )

    def prepare(folder: Path) -> None:
        _copy(base, [_INGEST])(folder)
        answers.write_csv(folder / "answers.csv")

    return prepare


# So that the same content has the same commit, which the data card names.
_COMMIT_TIME = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}


def _released(base: Path) -> Callable[[Path], None]:
    """The whole project, committed."""

    def prepare(folder: Path) -> None:
        folder.rmdir()
        shutil.copytree(base, folder, symlinks=True, ignore=shutil.ignore_patterns(".ambivox", "releases"))
        who = ("-c", "user.name=A. Person", "-c", "user.email=a@example.org")
        for words in (
            ("add", "-A"),
            (*who, "commit", "-qm", "A project"),
            ("config", "user.name", "A. Person"),
            ("config", "user.email", "a@example.org"),
        ):
            subprocess.run(
                ["git", *words], cwd=folder, check=True, capture_output=True, env=os.environ | _COMMIT_TIME
            )

    return prepare


def _tags(folder: Path) -> object:
    """The tags, what the tag holds of the release, and that one commit made it."""

    def git(*words: str) -> list[str]:
        return subprocess.run(
            ["git", *words], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.splitlines()

    return git("tag"), git("ls-tree", "-r", "--name-only", "demo-v1", "releases"), git("log", "--format=%s")


def run_base(folder: Path) -> Path:
    """Make a project, and run it once without a kill."""
    from tests.support.scratch_project import COMMAND, environment, make_project

    if not (folder / "data/demo/report.html").is_file():
        make_project(folder)
        set_small(folder)
        subprocess.run(
            [str(COMMAND), "run"],
            cwd=folder,
            env=environment(AMBIVOX_CACHE=str(folder / ".ambivox/cache")),
            check=True,
            stdout=sys.stderr,
        )
    return folder
