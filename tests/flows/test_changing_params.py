"""Changing params.yaml: comments stay above the same keys, nothing is lost between two writers, mistakes leave no trace."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ambivox.flows import params_file, yaml_comments
from ambivox.flows.pipeline import stages
from tests.support.scratch_project import COMMAND, ambivox, environment, make_project
from tests.support.small_corpora import crema_d, write_tone

TEXT = """\
# the file
corpora:
  # about a
  a: {x: 1} # beside a
  # about b
  b:
    root: r # beside root
    step:
      one: 1
      two:
        - x
        - y # beside y

# about pretrain
pretrain:
  a:
    size: 1
# about trial
trial: {}
# about matrix
matrix:
  corpora:
    - a
    - b
  # about sources
  sources: [x]
# about seed
seed: 0 # beside seed
# the end
"""
CHANGES: dict[str, Callable[[Any], None]] = {
    "a corpus": lambda params: yaml_comments.put(params["corpora"], "new", {"root": "q", "s": {"k": [1, 2]}}),
    "an option": lambda params: yaml_comments.put(params["corpora"]["b"]["step"], "three", None),
    "a value": lambda params: yaml_comments.put(params["corpora"]["b"], "root", "elsewhere"),
    "a trial": lambda params: yaml_comments.put(params["trial"], "new", {"k": {"l": [1]}}),
    "a pretraining": lambda params: yaml_comments.put(params["pretrain"], "new", {"k": None}),
    "list items": lambda params: yaml_comments.extend(params["matrix"]["corpora"], ["b", "new", "newer"]),
    "inline items": lambda params: yaml_comments.extend(params["matrix"]["sources"], ["y"]),
    "without the last corpus": lambda params: yaml_comments.remove(params, "corpora", "b"),
    "without the first corpus": lambda params: yaml_comments.remove(params, "corpora", "a"),
    "without any pretraining": lambda params: yaml_comments.remove(params, "pretrain", "a"),
    "without what is not there": lambda params: yaml_comments.remove(params, "trial", "a"),
}


def changed(text: str, change: Callable[[Any], None]) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    params = yaml.load(text)
    change(params)
    written = io.StringIO()
    yaml.dump(params, written)
    return written.getvalue()


def comments(text: str) -> dict[str, str]:
    """Each comment with the line below it, or with its own line where it is beside something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] + [""]
    return {
        line[line.index("#") :]: lines[number + 1].partition(":")[0]
        if line.startswith("#")
        else line.partition(" #")[0]
        for number, line in enumerate(lines)
        if "#" in line
    }


@pytest.mark.parametrize("name", CHANGES)
def test_comments_stay_where_they_are(name: str) -> None:
    before, after = comments(TEXT), comments(changed(TEXT, CHANGES[name]))
    gone = (
        {"# beside a", "# beside root", "# beside y", "# about a", "# about b"}
        if name.startswith("without the")
        else set()
    )
    assert {text: place for text, place in after.items() if text not in gone and before[text] != place} == (
        {"# beside root": "root: elsewhere"} if name == "a value" else {}
    )
    assert not before.keys() - after.keys() - gone


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_that_change_alone(name: str) -> None:
    plain = YAML(typ="safe").load(TEXT)
    expected = {**plain, "corpora": dict(plain["corpora"])}
    written = YAML(typ="safe").load(changed(TEXT, CHANGES[name]))
    kept = {"corpora": {"a", "b"}, "pretrain": {"a"}, "trial": set(), "matrix": {"corpora", "sources"}}
    for section, names in kept.items():
        for key in names & written[section].keys():
            if name in ("an option", "a value", "list items", "inline items"):
                continue
            assert written[section][key] == expected[section][key]
    assert written["seed"] == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    crema_d(tmp_path / "recordings", actors=1)
    return make_project(tmp_path / "project")


ENTER = """
import sys, time
from pathlib import Path
from ambivox.flows.job import Job
from ambivox.flows.project import enter
time.sleep(max(0, float(sys.argv[2]) - time.time()))
enter(Path(), Job(sys.argv[1], "crema_d", Path("../recordings"), "tiny", {}, None, ("human",), ("off",)))
"""


def test_corpora_that_are_entered_at_once_are_all_there(project: Path) -> None:
    import time

    at = str(time.time() + 4)
    names = [f"corpus_{number}" for number in range(6)]
    together = [
        subprocess.Popen([sys.executable, "-c", ENTER, name, at], cwd=project, env=environment())
        for name in names
    ]
    assert [process.wait(120) for process in together] == [0] * len(names)
    params = params_file.load(project)
    for section in (params["corpora"], params["pretrain"], params["trial"], params["matrix"]["corpora"]):
        assert set(names) <= set(section)


def test_a_corpus_is_forgotten_without_a_trace_in_the_pipeline(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    subprocess.run([sys.executable, "-c", ENTER, "mine", "0"], cwd=project, env=environment(), check=True)
    assert (project / "params.yaml").read_text() != before
    (project / "data/mine/ingest").mkdir()
    (project / "data/mine/ingest/votes.parquet").write_bytes(b"x" * 2_000_000)
    done = ambivox(project, "forget-corpus", "mine")
    assert done.returncode == 0, done.stderr
    assert "data/mine stays (" in done.stdout
    assert "2.0 MB" in done.stdout
    params = params_file.load(project)
    assert all("mine" not in params[section] for section in ("corpora", "pretrain", "trial"))
    assert "mine" not in params["matrix"]["corpora"]
    assert {stage.corpus for stage in stages(project)} == {"demo"}
    again = ambivox(project, "forget-corpus", "mine")
    assert again.returncode == 2
    assert again.stderr == "ambivox: unknown corpus of params.yaml 'mine'; known: demo\n"


def damage(recordings: Path, kind: str) -> list[str]:
    """Make one mistake, and return the words that the user would type."""
    table = recordings / "table"
    write_tone(table / "a.wav", 200)
    (table / "utterances.csv").write_text("utterance_id,audio,speaker\na,a.wav,s1\n")
    (table / "votes.csv").write_text("utterance_id,annotator_id,label\na,r1,happy\n")
    words = ["--corpus", "table", "--root", str(table)]
    if kind == "another folder":
        return ["--corpus", "iemocap", "--root", str(recordings)]
    if kind == "no folder":
        return ["--corpus", "crema_d", "--root", str(recordings / "nowhere")]
    if kind == "no votes file":
        (recordings / "processedResults/tabulatedVotes.csv").unlink()
        return ["--corpus", "crema_d", "--root", str(recordings)]
    if kind == "a missing column":
        (table / "votes.csv").write_text("utterance_id,ring\na,blue\n")
    if kind == "an empty folder":
        for path in table.iterdir():
            path.unlink()
    if kind == "an unknown option":
        words += ["--set", "ingest.options.no_such_option=1"]
    if kind == "the project in it":
        words = ["--corpus", "table", "--root", str(recordings.parent)]
    if kind == "another project in it":
        (table / "study").mkdir()
        (table / "study" / ".dvcignore").touch()
    if kind == "no such schema":
        words += ["--set", "ingest.schema=nofile.toml"]
    if kind == "shares that are none":
        words += ["--set", "ingest.shares=[0.5, 0.5, 0.5, 0]"]
    if kind == "an ALM that is none":
        words += ["--alm", str(recordings)]
    return words


@pytest.mark.parametrize(
    "kind",
    [
        "another folder",
        "no folder",
        "no votes file",
        "a missing column",
        "an empty folder",
        "an unknown option",
        "an ALM that is none",
        "the project in it",
        "another project in it",
        "no such schema",
        "shares that are none",
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_trace(project: Path, kind: str) -> None:
    before = (project / "params.yaml").read_bytes()
    done = ambivox(project, "run", "--key", "mine", *damage(project.parent / "recordings", kind))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("ambivox: ")
    assert done.stdout == ""
    assert (project / "params.yaml").read_bytes() == before
    assert not (project / "data/mine").exists()


def test_relative_paths_are_those_of_the_current_folder(project: Path) -> None:
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace("keep_votes: 3", "keep_votes: 4")
    )
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    code = ENTER.replace("Path()", "Path('../project')").replace(
        "{}", '{"annotate": {"persona_file": "p.toml"}}'
    )
    subprocess.run([sys.executable, "-c", code, "mine", "0"], cwd=elsewhere, env=environment(), check=True)
    entry = params_file.load(project)["corpora"]["mine"]
    assert (project / entry["root"]).resolve() == (project.parent / "recordings").resolve()
    assert (project / entry["annotate"]["persona_file"]).resolve() == elsewhere / "p.toml"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_project_that_may_not_be_written_is_one_line(project: Path) -> None:
    temporary = Path(tempfile.gettempdir()).resolve()
    for path in (project, *(parent for parent in project.parents if parent.is_relative_to(temporary))):
        if path != temporary:
            path.chmod(0o755)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(COMMAND), "run"]
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(HOME="/nonexistent"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("ambivox: .ambivox: ")
    assert "permission denied" in done.stderr
    looked = subprocess.run(
        [*command[:-1], "doctor"],
        cwd=project,
        env=environment(HOME="/nonexistent", COLUMNS="200"),
        capture_output=True,
        text=True,
        check=False,
    )
    (row,) = [line for line in looked.stdout.splitlines() if "project folder" in line]
    assert looked.returncode == 1 and "✗" in row and "permission denied" in row
    assert not [path for path in project.iterdir() if path.name.startswith("tmp")]
