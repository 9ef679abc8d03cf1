"""params.yaml: settings from the command line, files of earlier versions, and values that a shell would run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML

from ambivox.flows.params_conversion import convert
from ambivox.flows.params_file import load
from ambivox.flows.step_options import parse_settings
from ambivox.models.errors import UserError
from tests.support.scratch_project import init_repository

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("ingest.keep_votes=5", {"ingest": {"keep_votes": 5}}),
        ("ingest.keep-votes=5", {"ingest": {"keep_votes": 5}}),
        ("ingest.shares=[0, 0.7, 0.1, 0.2]", {"ingest": {"shares": [0, 0.7, 0.1, 0.2]}}),
        ("ingest.options.modality=face", {"ingest": {"options": {"modality": "face"}}}),
        ("pool.criterion=likelihood", {"pool": {"criterion": "likelihood"}}),
        ("pool.matrix=false", {"pool": {"matrix": False}}),
        ("annotate.server=http://host:8000/v1", {"annotate": {"server": "http://host:8000/v1"}}),
        ("annotate.personas=[paper]", {"annotate": {"personas": ["paper"]}}),
        ("annotate.personas=paper,tone", {"annotate": {"personas": ["paper", "tone"]}}),
        ("ingest.shares=0,0.7,0.1,0.2", {"ingest": {"shares": [0, 0.7, 0.1, 0.2]}}),
        ("trial.votes_kept=1, 3", {"trial": {"votes_kept": [1, 3]}}),
        ("report.title=Calls, week 7", {"report": {"title": "Calls, week 7"}}),
        ("report.title=Calls: week 7", {"report": {"title": "Calls: week 7"}}),
        ("report.title=2026", {"report": {"title": "2026"}}),
    ],
)
def test_settings_are_read_as_the_option_needs_them(setting: str, values: dict[str, Any]) -> None:
    assert parse_settings((setting,)) == values


def test_several_settings_of_a_step_are_kept_together() -> None:
    given = ("ingest.options.modality=face", "ingest.options.other=1", "ingest.seed=3")
    assert parse_settings(given) == {"ingest": {"options": {"modality": "face", "other": "1"}, "seed": 3}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("keep_votes=5", "expected STEP.OPTION=VALUE"),
        ("ingest.keep_votes", "expected STEP.OPTION=VALUE"),
        ("ingst.keep_votes=5", "unknown step in --set 'ingst'"),
        ("ingest.keep_vote=5", "unknown option of ingest in --set ingest 'keep_vote'"),
        ("ingest.shares=[0, 1, 0]", "expected 4 values such as [0, 0, 0, 0], found [0, 1, 0]"),
        ("ingest.shares=0,1,0", "expected 4 values such as [0, 0, 0, 0]"),
        ("trial.votes_kept=3", "expected a list such as [a, b], found 3"),
        ("trial.votes_kept=1,x", "expected a list such as [a, b], found '1,x'"),
        ("trial.votes_kept=[1, x]", "input should be a valid integer"),
        ("annotate.dry_run=true", "--set annotate.dry_run: this is decided at each call"),
        ("annotate.allow_hosted=true", "use `ambivox run --allow-hosted`"),
        ("ingest.keep_votes=0", "--set ingest.keep_votes: expected a number from 1 to 1000000000, found 0"),
        ("pool.seed=-1", "--set pool.seed: expected a number from 0 to 4294967295, found -1"),
        ("augment.ratio=.nan", "--set augment.ratio: expected a number from 0 to 1, found nan"),
        ("report.clip_seconds=1e9", "--set report.clip_seconds: expected a number above 0 and at most 60"),
        ("ingest.keep_votes=many", "keep_votes: input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_one_line(setting: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_settings((setting,))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


OLD = """\
corpora:
  demo:
    corpus: demo # key in models/corpora/
    root: data/demo/raw
    watch: models/corpora/demo.py
    ingest: --keep-votes 3 --shares 0,0.7,0.1,0.2 --options.modality face
    annotate: --transcript audio --personas voice_and_words tone --engine server --server "http://a b/v1"
    pool: --no-matrix --insist
    validate: --truth data/demo/ingest/truth.parquet --resamples 50
    evaluate: {resamples: 500, seed: 3}
    report_after: data/demo/validation/metrics.json
pretrain:
  demo:
    flags: --epochs 2
trial:
  demo:
    votes_kept: 1,3,5
    resamples: 10
matrix: {corpora: [demo], sources: [human], dime_aug: ["on"]}
seed: 0
"""


def test_a_file_of_an_earlier_version_is_converted_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(OLD)
    notes = convert(tmp_path)
    assert any("corpora.demo.ingest" in note for note in notes)
    params = load(tmp_path)
    entry = params["corpora"]["demo"]
    assert entry["ingest"] == {
        "keep_votes": 3,
        "shares": [0.0, 0.7, 0.1, 0.2],
        "options": {"modality": "face"},
    }
    assert entry["annotate"] == {
        "modality": "audio",
        "personas": ["voice_and_words", "tone"],
        "engine": "server",
        "server": "http://a b/v1",
    }
    assert entry["pool"] == {"matrix": False, "allow_audio_insensitive": True}
    assert entry["validate"] == {}
    assert entry["report"] == {}
    assert entry["evaluate"] == {"seed": 3}
    assert any("evaluate.resamples: removed" in note for note in notes)
    assert params["pretrain"]["demo"] == {"epochs": 2}
    assert params["trial"]["demo"] == {"votes_kept": [1, 3, 5]}
    text = (tmp_path / "params.yaml").read_text()
    assert "# key in models/corpora/" in text
    assert convert(tmp_path) == []
    assert (tmp_path / "params.yaml").read_text() == text


@pytest.mark.parametrize("allowed", [True, False])
def test_what_is_decided_at_each_call_leaves_the_file_and_consent_marks_the_corpus(
    tmp_path: Path, allowed: bool
) -> None:
    text = OLD.replace(
        'annotate: --transcript audio --personas voice_and_words tone --engine server --server "http://a b/v1"',
        "annotate: {ALL}",
    )
    given = f"{{orders: 2, dry_run: false, yes: true, allow_hosted: {str(allowed).lower()}}}"
    (tmp_path / "params.yaml").write_text(text.replace("{ALL}", given))
    notes = convert(tmp_path)
    entry = load(tmp_path)["corpora"]["demo"]
    assert entry["annotate"] == {"orders": 2}
    assert entry.get("allow_hosted", False) is allowed
    assert sum("corpora.demo.annotate" in note for note in notes) == 3
    assert convert(tmp_path) == []


def test_a_flag_that_no_longer_exists_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(OLD.replace("--insist", "--no-such-flag 1"))
    with pytest.raises(UserError, match="the flag --no-such-flag of pool cannot be converted"):
        convert(tmp_path)


@pytest.fixture
def table_project(tmp_path: Path) -> Path:
    """The project's own pipeline, and a small table corpus beside it."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, project / name)
    for name in ("models", "tasks"):
        (project / name).symlink_to(ROOT / name)
    init_repository(project)
    return project


def write_corpus(root: Path) -> None:
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, votes = ["utterance_id,audio,speaker,transcript"], ["utterance_id,annotator_id,label"]
    for number in range(12):
        soundfile.write(root / f"{number}.wav", rng.normal(scale=0.1, size=8000).astype(np.float32), 16_000)
        rows.append(f"u{number},{number}.wav,s{number % 6},hello")
        votes += [
            f"u{number},r{rater},{'anger' if (number + rater) % 2 else 'neutral'}" for rater in range(3)
        ]
    (root / "utterances.csv").write_text("\n".join(rows) + "\n")
    (root / "votes.csv").write_text("\n".join(votes) + "\n")


def reproduce(project: Path, *stages: str) -> subprocess.CompletedProcess[str]:
    """Plain ``dvc repro``, as a user runs it."""
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *stages]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def edit(project: Path, change: Any) -> None:
    yaml = YAML()
    params = yaml.load(project / "params.yaml")
    change(params)
    yaml.dump(params, project / "params.yaml")


NAMES = [
    "two words",
    "it's",
    "R&D $HOME",
    "(a) [b] {c}",
    "`touch pwned`",
    "a;touch pwned",
    "録音",
    'say "hi"',
    "$(touch pwned)",
]


def test_any_folder_name_works_in_plain_dvc_repro(table_project: Path) -> None:
    from ambivox.flows.job import Job
    from ambivox.flows.project import enter

    settings = {"ingest": {"shares": [0.0, 0.5, 0.0, 0.5], "cache": str(table_project / "cache.sqlite")}}
    keys = [f"mine{number}" for number in range(len(NAMES))]
    for key, name in zip(keys, NAMES, strict=True):
        root = table_project.parent / name
        write_corpus(root)
        enter(table_project, Job(key, "table", root, "tiny", settings, None, ("human",), ("on",)))
    done = reproduce(table_project, *(f"ingest@{key}" for key in keys))
    assert done.returncode == 0, done.stderr
    for key in keys:
        assert (table_project / "data" / key / "ingest" / "votes.parquet").is_file(), key
    assert not list(table_project.parent.rglob("pwned"))


HOSTILE = "x; touch pwned #"


def _seed(params: Any) -> None:
    params["seed"] = HOSTILE


def _value(params: Any) -> None:
    params["corpora"]["mine"]["ingest"]["schema"] = HOSTILE


def _option_name(params: Any) -> None:
    params["corpora"]["mine"]["ingest"][HOSTILE] = 1


def _inner_name(params: Any) -> None:
    params["corpora"]["mine"]["ingest"]["options"] = {HOSTILE: "1"}


def _corpus(params: Any) -> None:
    params["corpora"]["mine"]["corpus"] = HOSTILE


def _text(params: Any) -> None:
    params["corpora"]["mine"]["ingest"] = HOSTILE


def _key(params: Any) -> None:
    params["corpora"][HOSTILE] = params["corpora"].pop("mine")


@pytest.mark.parametrize("change", [_seed, _value, _option_name, _inner_name, _corpus, _text, _key])
def test_nothing_in_params_yaml_runs_a_second_command(table_project: Path, change: Any) -> None:
    from ambivox.flows.job import Job
    from ambivox.flows.project import enter

    root = table_project.parent / "recordings"
    write_corpus(root)
    enter(table_project, Job("mine", "table", root, "tiny", {}, None, ("human",), ("on",)))
    edit(table_project, change)
    done = reproduce(table_project, f"ingest@{HOSTILE if change is _key else 'mine'}")
    assert done.returncode
    assert not list(table_project.parent.rglob("pwned"))
    lines = [line for line in done.stderr.splitlines() if line.startswith("ambivox:")]
    assert change is _key or len(lines) == 1
    assert "Traceback" not in done.stderr


def test_dvc_experiments_change_an_option_by_name(table_project: Path) -> None:
    import polars as pl

    from ambivox.flows.job import Job
    from ambivox.flows.project import enter

    root = table_project.parent / "recordings"
    write_corpus(root)
    settings = {"ingest": {"shares": [0.0, 0.5, 0.0, 0.5], "cache": str(table_project / "cache.sqlite")}}
    enter(table_project, Job("mine", "table", root, "tiny", settings, None, ("human",), ("on",)))
    assert reproduce(table_project, "ingest@mine").returncode == 0
    # The code is a link here; git would keep the link, and DVC wants its deps outside of git.
    (table_project / ".gitignore").write_text("/models\n/tasks\ncache.sqlite\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in ([*git, "add", "-A"], [*git, "commit", "-qm", "before"]):
        subprocess.run(command, cwd=table_project, check=True)
    setting = "corpora.mine.ingest.keep_votes=1"
    command = [sys.executable, "-m", "dvc", "exp", "run", "--single-item", "-S", setting, "ingest@mine"]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")}
    environment |= {
        f"GIT_{who}_{what}": "t@e" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        command, cwd=table_project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    votes = pl.read_parquet(table_project / "data" / "mine" / "ingest" / "votes.parquet")
    assert votes.height == 12
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "params", "diff"],
        cwd=table_project,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "corpora.mine.ingest.keep_votes" in shown
