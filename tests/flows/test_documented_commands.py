"""Every command that the documentation and the help print is run, in order, in a project of its own.

The folders that the commands name are stand-ins of the same layout. The project's pipeline ends with its first stage: what
the other stages do is tested elsewhere, and a run of all of them takes minutes. A command that is not run has a reason
here, and its words are checked. A new command in the documentation is run, or fails here until it has a place.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError
from rich.console import Console
from ruamel.yaml import YAML

from ambivox.flows.cli import build
from tests.infra.test_code_blocks import of_kind
from tests.infra.test_docs import PAGES, commands, title
from tests.support.scratch_project import COMMAND, ROOT, environment, make_project
from tests.support.small_corpora import crema_d, iemocap, table

MODEL = "a published model or a key is needed; the engines' own tests run them on stand-ins"
_OF_TABLE = "{} --utterances data/table/ingest/utterances.parquet --votes data/table/ingest/votes.parquet"
HUB = "needs a finished run and a hub; tests/tasks/test_release_to_hub.py has both"
# Command -> why it is not run. Its words are parsed all the same.
NOT_RUN = {
    "annotate --utterances data/mine/ingest/utterances.parquet --alm gemini_2_5_flash --allow-hosted --max-cost 20 --out data/mine/annotations": MODEL,
    "release --data data/crema_d --version v2 --push": "needs a DVC remote; tests/tasks/test_release.py has one",
    "release --data data/crema_d --version v1 --push-to-hub OWNER/NAME --licence odbl --dry-run": HUB,
    "release --data data/crema_d --version v1 --push-to-hub OWNER/NAME --licence odbl": HUB,
    "release --data data/crema_d/finetuned/pooled-on --version v1 --push-to-hub OWNER/NAME --licence apache-2.0": HUB,
    "forget --speaker ID": "needs a finished run; tests/flows/test_forgetting.py",
    "forget --utterances ids.txt --corpus KEY": "needs a finished run; tests/flows/test_forgetting.py",
    "ui": "runs until it is ended; tests/flows/test_dashboard.py",
    "ui --port 4201": "runs until it is ended; tests/flows/test_dashboard.py",
    "forget-corpus KEY": "tests/flows/test_changing_params.py",
    "release --data data/crema_d --version v3 --licence odbl": "needs a finished run; tests/tasks/test_release.py",
    f"{_OF_TABLE.format('export')} --distributions data/table/distributions/pooled.parquet --format csv --out for-r": "needs a finished run; tests/tasks/test_export.py",
    f"{_OF_TABLE.format('plan-labels')} --annotations data/table/annotations/annotations.parquet --budget 200 --out next-votes": "needs a finished run; tests/tasks/test_vote_loop.py",
    "annotate --utterances data/mine/ingest/utterances.parquet --alm qwen2_audio --engine server --server http://host:8000/v1 --out data/mine/annotations": MODEL,
}
# What a page abbreviates -> the whole commands.
_EXPORT = "export --utterances data/mine/ingest/utterances.parquet --votes data/mine/ingest/votes.parquet"
WHOLE = {
    "init FOLDER": ["init another-study"],
    "upgrade --dry-run": ["upgrade --dry-run --project our-study"],
    "table PATH": ["table calls"],
    "ingest --corpus KEY --root DIR --out DIR": [
        "ingest --corpus crema_d --root /data/CREMA-D --out data/crema_d/tables"
    ],
    "table FILE --write": ["table one_file.csv --write"],
    "table calls --options.label mood --write": ["table moods --options.label mood --write"],
    "export --format csv|parquet|huggingface|audformat|lhotse|label_studio|potato": [
        f"{_EXPORT} --format {name} --out exported/{name}"
        for name in ("csv", "parquet", "huggingface", "audformat", "lhotse", "label_studio", "potato")
    ],
    "export --format label_studio": [f"{_EXPORT} --format label_studio --out exported/label_studio"],
    "import-annotations --source answers.csv --utterances F --out DIR": [
        "import-annotations --source answers.csv --utterances data/mine/ingest/utterances.parquet --out imported"
    ],
    "run --set pool.more_annotations=[DIR/annotations.parquet]": [
        "run --set pool.more_annotations=[imported/annotations.parquet]"
    ],
}


# Command and example in its help -> the whole command, or why it is not run.
HELP_EXAMPLES: dict[tuple[str, str], str] = {
    ("", "ambivox run"): "run",
    ("run", "--set ingest.keep_votes=5 pool.criterion=likelihood"): (
        "run --set ingest.keep_votes=5 pool.criterion=likelihood"
    ),
    ("run", "--trial 1 3 5"): "run --trial 1 3 5",
    ("table", "--options.label mood"): "table moods --options.label mood",
    ("ingest", "--options.modality face"): (
        "ingest --corpus crema_d --root /data/CREMA-D-faces --out face --options.modality face"
    ),
    ("export", "--audio-url https://host/audio/"): (
        "export --utterances for_help/utterances.parquet --votes for_help/votes.parquet --format label_studio "
        "--audio-url https://host/audio/ --out exported/at_url"
    ),
}
# Likewise, with what the command needs besides; the words are checked, and a test of its own runs the command.
HELP_EXAMPLES_NOT_RUN = {
    ("stage", "--step pool"): "",  # tests/flows/test_stages.py
    ("stage", "--name pool@demo"): "--step pool",
    (
        "annotate",
        "--server http://localhost:8000/v1",
    ): "--utterances u --alm tiny --out o",  # tests/models/engines/
    (
        "trial",
        "--votes-kept 1 3 5",
    ): "--utterances u --votes v --annotations a --out o",  # tests/tasks/test_trial.py
    ("release", "--version v1"): "--data d",  # tests/tasks/test_release.py
}


@cache
def application() -> App:
    """The command, as it is built for every process."""
    return build()


@cache
def help_text(command: str) -> str:
    """The help of a command, or of all, with one line per option. tests/flows/test_cli.py has it from real processes."""
    console = Console(file=io.StringIO(), width=500)
    application().help_print([command] if command else [], console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def help_examples(command: str) -> Iterator[str]:
    """What the help gives as an example: options with their values."""
    for line in help_text(command).splitlines():
        for text in re.findall(r"Start with: (ambivox \w+)", line):
            yield text
        flag = re.search(r"--[a-z-]+", line)
        for text in re.findall(r"(?:such as|as in) ([^;()]+?)(?= or|\. |;| *\[| *│|$)", line):
            if text.startswith("--"):
                yield text
            elif flag and not text.startswith("a "):
                yield f"{flag[0]} {text}"


def is_mention(words: list[str]) -> bool:
    """Whether text names a command without what it needs, or with one option that the sentence is about."""
    return (
        (len(words) == 1 and words[0] not in ("run", "doctor", "ui"))
        or words[0] in ("stage", "import-votes")
        or (words[:2] == ["annotate", "--engine"])
    )


def documented() -> Iterator[tuple[str, str]]:
    """Page and command, in reading order, each command once."""
    seen = set()
    for page in PAGES:
        for words in commands(page):
            text = " ".join(words)
            if not is_mention(words) and text not in seen:
                seen.add(text)
                yield title(page), text


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    """A project whose pipeline is the stage ``ingest``, with the folders that the pages name."""
    folder = make_project(tmp_path_factory.mktemp("documented") / "project")
    yaml = YAML()
    pipeline = yaml.load(folder / "dvc.yaml")
    pipeline["stages"] = {"ingest": pipeline["stages"]["ingest"]}
    yaml.dump(pipeline, folder / "dvc.yaml")
    params = yaml.load(folder / "params.yaml")
    params["corpora"]["demo"]["ingest"]["options"] = {"speakers": "4", "utterances": "2"}
    params["corpora"]["demo"]["ingest"]["shares"] = [0.25, 0.25, 0.25, 0.25]
    yaml.dump(params, folder / "params.yaml")
    data = folder.parent / "data"
    crema_d(data / "CREMA-D", actors=8, sentences=("IEO",))
    faces = (
        crema_d(data / "CREMA-D-faces", actors=8, sentences=("IEO",)) / "processedResults/tabulatedVotes.csv"
    )
    faces.write_text(
        faces.read_text().replace('"1000', '"2000')
    )  # the numbers of ratings of faces begin with 2
    iemocap(data / "IEMOCAP_full_release")
    table(data / "mine")
    table(folder / "calls")
    moods = table(folder / "moods")
    (moods / "votes.csv").write_text((moods / "votes.csv").read_text().replace(",label", ",mood", 1))
    (folder / "one_file.csv").write_text(
        "file,speaker,rater,emotion\ncalls/audio/s0_c0.wav,s0,r1,happy\ncalls/audio/s1_c0.wav,s1,r1,sad\n"
    )
    (folder / "answers.csv").write_text(
        "utterance_id,model,label\ns0_c0,elsewhere,happy\ns0_c1,elsewhere,sad\n"
    )
    return folder


@pytest.mark.server
@pytest.mark.timeout(900)
def test_every_command_runs(project: Path) -> None:
    failed = {}
    for page, text in documented():
        if text in NOT_RUN:
            continue
        for whole in WHOLE.get(text, [text]):
            if problem := run_command(project, whole):
                failed[f"{page}: ambivox {whole}"] = problem
    assert not failed


@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_commands_of_git_and_dvc_run(project: Path, tmp_path: Path) -> None:
    """What a team does with a new project, with folders for its remotes."""
    if not (project / "our-study").is_dir():
        assert not run_command(project, "init our-study")
    study = shutil.copytree(project / "our-study", tmp_path / "our-study", symlinks=True)
    shutil.rmtree(study / ".git", ignore_errors=True)
    (block,) = (
        block.text
        for block in of_kind("commands")
        if "git push" in block.text and block.page.name == "team.md"
    )
    script = "git init -q --bare ../others.git; git init -q -b main; git remote add origin ../others.git\n"
    script += (
        "git config push.autoSetupRemote true; git config user.name A; git config user.email a@example.org\n"
    )
    script += block.replace("s3://BUCKET/our-study", str(tmp_path / "bucket"))
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=study,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pushed = subprocess.run(
        ["git", "ls-tree", "--name-only", "main"],
        cwd=tmp_path / "others.git",
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"dvc.yaml", "params.yaml", "software.yaml"} <= set(pushed.stdout.split())


@pytest.mark.server
@pytest.mark.timeout(900)
def test_every_example_in_the_help_runs(project: Path) -> None:
    commands = ["", *(name for name in application() if not name.startswith("-"))]
    found = {(command, text) for command in commands for text in help_examples(command)}
    known = HELP_EXAMPLES.keys() | HELP_EXAMPLES_NOT_RUN.keys()
    assert found == known, "an example needs the command that shows it"
    assert not run_command(project, "ingest --corpus table --root /data/mine --out for_help")
    for (command, text), required in HELP_EXAMPLES_NOT_RUN.items():
        words = shlex.split(f"{command} {text} {required}")
        application().parse_args(words, exit_on_error=False, print_error=False)
    for (command, text), whole in HELP_EXAMPLES.items():
        if problem := run_command(project, whole):
            pytest.fail(f"ambivox {command} --help: {text}: {problem}")


@cache
def run_command(project: Path, text: str) -> str:
    """Run a command of the documentation, once however often it is shown; returns how it failed, or an empty text."""
    done = subprocess.run(
        [str(COMMAND), *shlex.split(text.replace("/data/", f"{project.parent}/data/"))],
        cwd=project,
        env=environment(PREFECT_API_URL=api_url()),
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {done.returncode}: {done.stderr[-500:]}" if done.returncode else ""


def api_url() -> str:
    """The API of the session's own Prefect server."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())


def test_a_command_that_is_not_run_has_a_reason_and_parses() -> None:
    texts = {text for _, text in documented()}
    assert texts >= NOT_RUN.keys() | WHOLE.keys(), "the documentation no longer has them"
    for text in NOT_RUN:
        try:
            application().parse_args(shlex.split(text), exit_on_error=False, print_error=False)
        except CycloptsError as error:
            pytest.fail(f"ambivox {text}: {error}")


def test_the_help_names_commands_that_exist() -> None:
    for name in ["", *(name for name in application() if not name.startswith("-"))]:
        shown = help_text(name)
        assert "Usage" in shown
        for line in shown.splitlines():
            for named, step in re.findall(r"(?:`|with: )ambivox ([a-z-]+)|--set ([a-z_]+)\.[a-z_]+=", line):
                assert (named or step.replace("_", "-")) in set(application()), line


def other_lines(page: Path) -> Iterator[str]:
    """Commands of other programs in a page's code blocks."""
    for line in re.findall(r"^ {4}(\S.*)$", page.read_text(), re.MULTILINE):
        if re.match(r"(make|pip|uv|python\S*|\S*/python|dvc) ", line):
            yield line.partition(" #")[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_commands_of_other_programs_are_right(page: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for line in other_lines(page):
        words = shlex.split(line)
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            recipes = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(targets) <= set(recipes), line
        for extra in re.findall(r"\.\[([a-z,]+)\]", line):
            assert set(extra.split(",")) <= extras.keys(), line
        for flag in ("--constraint", "-r"):
            if flag in words:
                assert (ROOT / words[words.index(flag) + 1]).is_file(), line
        if "pytest" in words:
            shown = subprocess.run(
                [sys.executable, *words[1:], "--collect-only", "-q", "tests/infra/test_docs.py"],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
                capture_output=True,
                check=False,
            )
            assert shown.returncode == 0, line
        elif "-m" in words and words[words.index("-m") + 1].startswith("benchmarks."):
            assert (ROOT / f"{words[words.index('-m') + 1].replace('.', '/')}.py").is_file(), line
