"""The command line: generated from the steps, quick, and plain about mistakes."""

from __future__ import annotations

import inspect
import random
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App

import ambivox.flows.commands
import ambivox.tasks
from ambivox.flows.cli import build
from ambivox.flows.step_options import options_class, parse_settings
from ambivox.models.registry import find, keys
from ambivox.tasks._main import USER_MISTAKE, app, command_of, run
from tests.mistakes import command_lines
from tests.mistakes.command_lines import WrongLine, commands

ROOT = Path(__file__).parents[2]
HEAVY = {
    "torch",
    "transformers",
    "vllm",
    "peft",
    "prefect",
    "dvc",
    "polars",
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "pyarrow",
    "ray",
}
LOADED = "import sys; from ambivox.flows.cli import build\ntry:\n build()(sys.argv[1:])\nexcept SystemExit: pass\nprint('LOADED', *sys.modules)"


@cache
def application() -> App:
    """The command line, built once."""
    return build()


def run_command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "ambivox"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([key.replace("_", "-"), "--help"] for key in keys(ambivox.tasks)), ["run", "--help"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    loaded = set(shown.rpartition("LOADED")[2].split())
    assert "Usage: ambivox" in shown
    assert not HEAVY & loaded


def test_every_step_is_one_documented_keyword_only_function() -> None:
    for key in keys(ambivox.tasks):
        step = getattr(find(ambivox.tasks, key, "step"), key)
        parameters = inspect.signature(step).parameters
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values()), key
        undocumented = set(parameters) - documented(step)
        assert not undocumented, f"{key}: no help for {undocumented}"


def test_every_option_is_declared_once_frozen_and_documented() -> None:
    for key in keys(ambivox.tasks):
        options = options_class(key)
        assert options.__name__ == "".join(word.capitalize() for word in key.split("_")) + "Options"
        assert is_dataclass(options)
        assert options.__dataclass_params__.frozen
        names = {field.name for field in fields(options)}
        undocumented = names - documented(options)
        assert not undocumented, f"{key}: no help for {undocumented}"
        assert options() == options()  # every option has a default


def documented(described: object) -> set[str]:
    """The arguments or attributes that a docstring describes."""
    text = inspect.getdoc(described) or ""
    return set(re.findall(r"^    (\w+):", text, re.MULTILINE))


def test_a_step_without_options_takes_their_defaults(tmp_path: Path) -> None:
    done = run_command("report", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "report.html"))
    assert done.returncode == 2
    assert done.stderr.startswith("ambivox: ")
    assert "nowhere" in done.stderr


def test_options_become_flags_with_their_help() -> None:
    shown = run_command("pool", "--help").stdout
    assert "--criterion" in shown
    assert "[choices: likelihood, js," in " ".join(shown.split())
    done = run_command(
        "pool", "--utterances", "u", "--votes", "v", "--annotations", "a", "--out", "o", "--criterion", "x"
    )
    assert done.returncode == 2
    assert "--criterion" in done.stderr


def test_a_command_is_named_like_its_file() -> None:
    for key in keys(ambivox.flows.commands):
        assert callable(getattr(find(ambivox.flows.commands, key, "command"), key))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--corpus", "nonsense", "--root", "."], "unknown corpus 'nonsense'; known: crema_d, demo"),
        (["run", "--corpus", "crema_d", "--root", "/nowhere"], "/nowhere: no such folder"),
        (["run", "--alm", "nonsense"], "known: "),
        (["run", "--corpus", "crema_d", "--root", ".", "--key", "Not a key"], "cannot name a corpus"),
        (["run", "--project", "/tmp"], "is not an Ambivox project"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (ROOT / "params.yaml").read_bytes()
    monkeypatch.chdir(ROOT)
    assert run(application(), arguments) == USER_MISTAKE
    message = capsys.readouterr().err
    assert said in message
    assert len(message.strip().splitlines()) == 1
    assert (ROOT / "params.yaml").read_bytes() == before


# Of 2,600; `make mistakes` runs all of them.
LINES_PER_KIND = 8


def test_every_kind_of_wrong_line_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    valid = {name: command_lines.right_words(application(), name) for name in commands(application())}
    by_kind: dict[str, list[WrongLine]] = {}
    for line in (
        *command_lines.misspelt(application(), valid),
        *command_lines.out_of_range(application(), valid),
    ):
        by_kind.setdefault(line.mistake, []).append(line)
    assert len(by_kind) == 11
    for lines in by_kind.values():
        for line in random.Random(0).sample(lines, min(LINES_PER_KIND, len(lines))):
            assert run(application(), list(line.words)) == USER_MISTAKE, line
            message = capsys.readouterr().err
            assert len(message.splitlines()) == 1 and message.startswith("ambivox: "), (line, message)
    assert not list(tmp_path.iterdir())


def test_doctor_names_what_it_looks_for() -> None:
    shown = run_command("doctor", cwd=ROOT).stdout
    for word in ("Python", "torch", "GPU", "vLLM", "Prefect server", "DVC remote", "disk"):
        assert word in shown


@pytest.mark.parametrize(
    "given",
    [
        ["--sources", "human", "pooled", "--dime-aug", "on", "off"],
        ["--sources", "human", "--sources", "pooled", "--dime-aug", "on", "--dime-aug", "off"],
    ],
)
def test_a_flag_takes_several_values(given: list[str]) -> None:
    _, bound, _ = application().parse_args(["run", *given], exit_on_error=False, print_error=False)
    assert bound.arguments == {"sources": ("human", "pooled"), "dime_aug": ("on", "off")}


INGEST = ("ingest", "--corpus", "demo", "--root", "raw", "--out", "out")
LISTS = [
    ("run", "--trial", "1 3 5"),
    ("run", "--sources", "human pooled"),
    ("run", "--dime-aug", "on off"),
    ("ingest", "--shares", "0 0.7 0.1 0.2"),
    ("trial", "--votes-kept", "1 5"),
]


@pytest.mark.parametrize("form", ["{},", "[{}]", "({})", "{}", " {}"])
@pytest.mark.parametrize(("command", "flag", "values"), LISTS)
def test_lists_may_have_commas(command: str, flag: str, values: str, form: str) -> None:
    from ambivox.tasks._command_words.words import _list_flags, prepared_words

    assert flag in _list_flags(application()[command].default_command)
    written = form.format(values.replace(" ", ", "))
    for given in ([flag, written], [f"{flag}={written}"], [flag, *written.split()]):
        words = [command, *given, "--seed", "3"]
        assert prepared_words(application(), words) == [command, flag, *values.split(), "--seed", "3"]


def test_names_and_paths_keep_their_commas() -> None:
    from ambivox.tasks._command_words import prepared_words

    words = ["forget", "--speaker", "Smith, Anna", "--utterances", "a,b.txt", "--project", "[x]"]
    assert prepared_words(application(), words) == words
    words = ["run", "--set", "ingest.shares=[0,1,0,0]", "trial.votes_kept=1,3", "--root", "a,b"]
    assert prepared_words(application(), words) == words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*INGEST, "--shares", "0,1,0"], "--shares: expected 4 values after it, found 3"),
        ([*INGEST, "--shares", "0", "1", "0", "0", "0"], "These words belong to no option: 0."),
        (["forget", "", "x y"], "These words belong to no option: '' 'x y'."),
        ([*INGEST, "--shares", "a,b,c,d"], '--shares: expected a number, found "a"'),
        ([*INGEST, "--shares", "0,1.5,0,0"], "--shares: expected a number from 0 to 1, found 1.5"),
        ([*INGEST, "--seed", "-1"], "--seed: expected a number from 0 to 4294967295, found -1"),
        ([*INGEST, "--keep-votes", "1.5"], "--keep-votes 1.5: expected a whole number, found a fraction"),
        (["run", "--trial", "1", "2.5"], "--trial 2.5: expected a whole number"),
        (["--seed", "1", "pool"], "--seed is before the command; options follow it"),
        (["--data", "1", "release", "--version", "v1"], "--data is before the command; options follow it"),
        (["forget", "--speaker"], "--speaker: found no value, expected one after it"),
        (
            ["run", "--sources", "human,pool"],
            '--sources: expected human, synthetic, combined or pooled, found "pool"',
        ),
        (["run", "--flags.annotate", "--engine fake"], "--set annotate.OPTION=VALUE"),
        (["run", "--flags.ingest=--keep-votes 5"], "--set ingest.OPTION=VALUE"),
        (["run", "--flags", "x"], "--set STEP.OPTION=VALUE"),
        (
            ["pool", "--votes", "v", "--out=o"],
            "missing options: --utterances, --annotations. See: ambivox pool",
        ),
        (["export", "--utterances", "u", "--votes", "v"], "missing option: --out. See: ambivox export"),
        (["export", "--votes", "v", "--out"], "--out: found no value, expected one after it"),
        (["export", "--votes", "v", "--votes", "w"], "--votes is given twice; expected it once"),
        (
            ["pool", "-utterances", "u"],
            "-utterances is no option of this command; did you mean --utterances?",
        ),
        (["pool", "--UTTERANCES=u"], "--UTTERANCES is no option of this command; did you mean --utterances?"),
        (["ui", "—port", "1"], "—port is no option of this command; did you mean --port?"),
        (["doctor", "--quite"], "--quite is no option of this command; did you mean --quiet?"),
        (["doctor", "--nonsense"], "--nonsense is no option of this command. See"),
        (["run", "--workers", "many"], '--workers: expected a whole number, found "many"'),
        (["run", "--workers", "9" * 99 + "x"], f'--workers: expected a whole number, found "{"9" * 60}..."'),
        (["run", "--force=perhaps"], '--force: expected true or false, found "perhaps"'),
    ],
)
def test_a_wrong_word_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application(), arguments) == USER_MISTAKE
    message = capsys.readouterr().err
    assert said in message
    assert message.startswith("ambivox: ") and len(message.splitlines()) == 1


WRONG_PATHS = [
    ("", "found an empty text, expected a path"),
    (" ", "found an empty text, expected a path"),
    ("s3://bucket/a", "s3://bucket/a: found an address, expected a path on this machine; copy it"),
    ("https://host/a", "https://host/a: found an address"),
    ("file:///a", "file:///a: found an address, expected a path on this machine; leave out file://"),
    ("a\udcff", "found a name that is not in UTF-8"),
    ("~no-such-person/a", "~no-such-person/a: that user has no home folder"),
]


@pytest.mark.parametrize(("path", "said"), WRONG_PATHS)
@pytest.mark.parametrize("option", ["--votes", "--out", "--more-annotations"])
def test_a_path_that_cannot_be_one_is_one_line(
    option: str, path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    right = {"--utterances": "u", "--votes": "v", "--annotations": "a", "--out": "o"}
    for words in ([option, path], [f"{option}={path}"]):
        others = [f"{name}={value}" for name, value in right.items() if name != option]
        assert run(application(), ["pool", *others, *words]) == USER_MISTAKE
        message = capsys.readouterr().err
        assert message.startswith(f"ambivox: {option}") and said in message and len(message.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "name"), [("init", "FOLDER"), ("table", "ROOT")])
def test_an_empty_word_is_not_the_current_folder(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(application(), [command, ""]) == USER_MISTAKE
    assert capsys.readouterr().err == f"ambivox: {name}: found an empty text, expected a path\n"
    assert not list(tmp_path.iterdir())


def test_the_home_folder_is_found_where_the_shell_leaves_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    received: list[object] = []

    def read(
        *,
        out: Path,
        more: tuple[Path, ...] = (),
        alm: str = "",
        others: tuple[str, ...] = (),
        options: dict[str, str] | None = None,
    ) -> None:
        """Read."""
        received.extend([out, *more, alm, *others, options])

    reader = app("test", "")
    reader.command(command_of(read), name="read")
    assert run(reader, ["read", "--out=~/a", "--more", "~/b", "c", "C:/d", "--alm", "~e"]) == 0
    assert received == [tmp_path / "a", tmp_path / "b", Path("c"), Path("C:/d"), "~e", None]
    received.clear()
    words = ["--alm=~/e", "--others=~/f", "--options.votes=~/g", "--options.separator=~"]
    assert run(reader, ["read", "--out", "~", *words]) == 0
    options = {"votes": f"{tmp_path}/g", "separator": "~"}
    assert received == [tmp_path, f"{tmp_path}/e", f"{tmp_path}/f", options]


def test_settings_find_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = (
        "annotate.store=~/s",
        "annotate.more_alms=[~/m, voxtral_mini]",
        "pretrain.tower=~/t",
        "ingest.options.votes=~/v",
        "report.title=a ~/b",
    )
    assert parse_settings(settings) == {
        "annotate": {"store": f"{tmp_path}/s", "more_alms": [f"{tmp_path}/m", "voxtral_mini"]},
        "pretrain": {"tower": f"{tmp_path}/t"},
        "ingest": {"options": {"votes": f"{tmp_path}/v"}},
        "report": {"title": "a ~/b"},
    }


@pytest.mark.parametrize("value", ["-", "--", "-|-", "- ", "-1", "-1.5", ";", "a-b"])
def test_a_corpus_option_may_consist_of_dashes(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    received = []

    def read(*, options: dict[str, str] | None = None, seed: int = 0) -> None:
        """Read."""
        received.append((options, seed))

    reader = app("test", "")
    reader.command(command_of(read), name="read")
    assert run(reader, ["read", "--options.separator", value, "--seed", "-3", "-q"]) == 0
    assert received == [({"separator": value}, -3)]
    assert run(reader, ["read", "--options.separator", "-q"]) == USER_MISTAKE
    assert "found no value, expected one after it" in capsys.readouterr().err
