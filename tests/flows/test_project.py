"""Entering corpora into params.yaml, and the pipeline that DVC reads from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from ambivox.flows import diagnostics, params_file, prefect_settings, project
from ambivox.flows.pipeline import stages
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import revision_of
from ambivox.models.reporting.sources_table import sources_table
from tests.support.scratch_project import init_repository
from tests.support.small_corpora import crema_d
from tests.support.whisper_folders import make_whisper

ROOT = Path(__file__).parents[2]


@pytest.fixture
def real_project(tmp_path: Path) -> Path:
    """The project's own dvc.yaml and params.yaml in a repository of their own, with the code beside them."""
    for name in ("dvc.yaml", "params.yaml", "tasks", "models"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    init_repository(tmp_path)
    crema_d(tmp_path / "recordings", actors=1)
    return tmp_path


def add(where: Path, **changed: object) -> bool:
    given = {
        "key": "mine",
        "corpus": "crema_d",
        "root": where / "recordings",
        "alm": "tiny",
        "settings": {},
        "trial": None,
        "sources": ("human", "pooled"),
        "dime_aug": ("on",),
    }
    return project.enter(where, project.Job(**(given | changed)))  # type: ignore[arg-type]


def test_a_corpus_enters_the_pipeline_once_and_comments_stay(real_project: Path) -> None:
    assert add(real_project)
    text = (real_project / "params.yaml").read_text()
    assert not add(real_project)
    assert (real_project / "params.yaml").read_text() == text
    assert "# What `dvc repro` reproduces." in text
    names = {stage.address for stage in stages(real_project, ("mine",))}
    assert {
        "ingest@mine",
        "pretrain@mine",
        "annotate@mine",
        "pool@mine",
        "evaluate@mine",
        "report@mine",
    } <= names
    assert {"augment@mine-pooled", "finetune@mine-human-on", "predict@mine-pooled-on"} <= names


def test_what_was_asked_for_once_is_remembered_and_the_rest_is_the_corpus_own(real_project: Path) -> None:
    add(real_project, settings={"ingest": {"keep_votes": 5}, "pretrain": {"epochs": 2}})
    add(real_project)
    entered = params_file.load(real_project)
    assert entered["corpora"]["mine"]["ingest"]["keep_votes"] == 5
    assert entered["pretrain"]["mine"] == {
        "tower": "statistics",  # no hub can be reached from a test
        "tower_revision": None,
        "size": "auto",
        "epochs": 2,
    }
    assert entered["trial"]["mine"]["votes_kept"] == [1, 3, 5]
    assert "trial@mine" in {stage.address for stage in stages(real_project, ("mine",))}
    add(real_project, trial=())
    assert "trial@mine" not in {stage.address for stage in stages(real_project, ("mine",))}


def test_the_tower_is_recorded_with_what_it_holds_now(real_project: Path, tmp_path: Path) -> None:
    whisper = make_whisper(tmp_path / "whisper")
    add(real_project, settings={"pretrain": {"tower": str(whisper)}})
    first = dict(params_file.load(real_project)["pretrain"]["mine"])
    assert (first["tower"], first["tower_revision"]) == (str(whisper), revision_of(whisper))
    assert not add(real_project)
    make_whisper(whisper, seed=1)
    assert add(real_project)  # another content: the stage becomes stale
    changed = params_file.load(real_project)["pretrain"]["mine"]["tower_revision"]
    assert changed == revision_of(whisper) != first["tower_revision"]
    commit = "0123456789abcdef0123456789abcdef01234567"
    add(real_project, settings={"pretrain": {"tower": "team/whisper", "tower_revision": commit}})
    assert not add(real_project)  # a pinned commit is kept, without a question to the hub
    assert params_file.load(real_project)["pretrain"]["mine"]["tower_revision"] == commit
    add(real_project, settings={"pretrain": {"tower": "statistics"}})
    assert params_file.load(real_project)["pretrain"]["mine"]["tower_revision"] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"finetun": {"x": 1}}, "unknown step in --set 'finetun'; known: annotate, augment"),
        ({"pool": {"x": 1}}, "unknown option of pool"),
        ({"pool": {"criterion": "best"}}, "pool.criterion: input should be 'likelihood', 'js' or 'balanced'"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(
    real_project: Path, settings: dict[str, dict[str, object]], message: str
) -> None:
    before = (real_project / "params.yaml").read_bytes()
    with pytest.raises(UserError, match=message):
        add(real_project, settings=settings)
    assert (real_project / "params.yaml").read_bytes() == before


def test_dvc_compares_figures_between_revisions(real_project: Path) -> None:
    add(real_project)
    figures = real_project / "data" / "mine" / "validation" / "summary.json"
    figures.parent.mkdir(parents=True)
    rows = real_project / "data" / "mine" / "evaluation" / "rows.csv"
    rows.parent.mkdir(parents=True)
    for js in (0.3, 0.2):
        figures.write_text(json.dumps({"pooled": {"js": js}}))
        rows.write_text(f"model,nll\npooled-on,{js}\n")
        subprocess.run(["git", "add", "-A"], cwd=real_project, check=True)
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run([*git, "commit", "-qm", str(js)], cwd=real_project, check=True)
    asked = [sys.executable, "-m", "dvc", "metrics", "diff", "--json", "HEAD~1", "HEAD"]
    shown = subprocess.run(asked, cwd=real_project, capture_output=True, text=True, check=True)
    (changed,) = json.loads(shown.stdout).values()
    assert changed["pooled.js"]["diff"] == pytest.approx(-0.1)
    asked = [sys.executable, "-m", "dvc", "plots", "diff", "HEAD~1", "HEAD", "--json", "--split"]
    shown = subprocess.run(asked, cwd=real_project, capture_output=True, text=True, check=True)
    (drawn,) = [plot for name, plot in json.loads(shown.stdout)["data"].items() if "rows.csv" in name]
    points = drawn[0]["anchor_definitions"]["<DVC_METRIC_DATA>"]
    assert {(point["rev"], point["nll"]) for point in points} == {("HEAD~1", "0.3"), ("HEAD", "0.2")}


def test_a_wider_matrix_adds_its_stages(real_project: Path) -> None:
    add(real_project, sources=("human", "synthetic", "combined", "pooled"), dime_aug=("on", "off"))
    finetuned = [stage for stage in stages(real_project, ("mine",)) if stage.step == "finetune"]
    assert len(finetuned) == 8


def test_an_alm_from_elsewhere_is_noted_and_nothing_is_pretrained(real_project: Path) -> None:
    add(real_project, key="other", alm="qwen2_audio")
    assert params_file.load(real_project)["corpora"]["other"]["ingest"]["shares"] == [0.0, 0.7, 0.1, 0.2]
    add(real_project)
    assert add(real_project, alm="qwen2_audio")
    assert (real_project / "data" / "mine" / "alm").read_text() == "qwen2_audio\n"
    assert "pretrain@mine" not in {stage.address for stage in stages(real_project, ("mine",))}


def test_a_broken_params_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("corpora: [")
    with pytest.raises(UserError, match=r"params\.yaml: cannot be read as YAML"):
        params_file.load(tmp_path)


def test_the_users_own_prefect_settings_win(tmp_path: Path) -> None:
    users = {"PREFECT_API_URL": "http://team.example/api", "PREFECT_HOME": "/elsewhere"}
    added = prefect_settings.missing_settings(tmp_path, users)
    assert not users.keys() & added.keys()
    assert prefect_settings.missing_settings(tmp_path, {})["PREFECT_HOME"].startswith(str(tmp_path))


def test_a_server_that_went_away_is_not_used(tmp_path: Path) -> None:
    prefect_settings.record_server(tmp_path, "http://127.0.0.1:9/api")
    assert prefect_settings.running_server(tmp_path) is None
    assert not prefect_settings.is_healthy("file:///etc/passwd")


def test_doctor_marks_what_stops_the_main_job(tmp_path: Path) -> None:
    states = {one.what: one.state for one in diagnostics.findings(tmp_path)}
    assert states["DVC project"] == "missing"
    assert states["Python"] == "ok"
    assert "project folder" not in states  # it can be written
    assert not list(tmp_path.iterdir())
    assert {one.what: one for one in diagnostics.findings(ROOT)}["DVC remote"].state in ("ok", "optional")


def test_doctor_works_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    repository = {one.what: one for one in diagnostics.findings(tmp_path)}["git repository"]
    assert (repository.state, repository.found) == ("missing", "no git")
    assert "install it" in repository.advice


def test_the_short_table_has_a_row_a_source_and_the_ceiling() -> None:
    row = {"js": 0.1234, "js_low": 0.1, "js_high": 0.15, "bc": 0.9, "accuracy": 0.75}
    metrics = dict.fromkeys(("human", "synthetic", "combined", "pooled", "prior", "ceiling"), row)
    console = Console(width=100)
    with console.capture() as shown:
        console.print(sources_table(json.loads(json.dumps(metrics)), "demo"))
    text = shown.get()
    for word in ("human ceiling", "corpus prior", "pooled", "0.123", "75.0%"):
        assert word in text
