"""The documentation agrees with the code: paths, tests, commands, options and layers that it names exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambivox.flows.cli import build

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [path for folder in ("flows", "tasks", "models") for path in sorted((ROOT / folder).rglob("*.py"))]
TOP_LEVEL = "benchmarks|docs|examples|flows|infra|models|src|tasks|tests"


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_paths_in_the_documentation_exist(page: Path) -> None:
    text = page.read_text()
    paths = set(re.findall(rf"(?<![\w/.<-])((?:{TOP_LEVEL})/[\w./-]+)(?![\w<*{{/])", text))
    ignored = (ROOT / ".gitignore").read_text().split()
    missing = {path for path in paths - {*ignored} if not (ROOT / path.rstrip("./")).exists()}
    assert not missing


def test_pages_that_the_code_names_exist() -> None:
    missing = {
        f"{title(path)}: {name}"
        for path in SOURCES
        for name in re.findall(r"docs/[\w./-]+\.md", path.read_text())
        if not (ROOT / name).exists()
    }
    assert not missing


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=title)
def test_every_decision_is_guarded_by_tests_that_exist(page: Path) -> None:
    guard = page.read_text().partition("**Guard.**")[2]
    files = [ROOT / name for name in re.findall(r"tests/[\w/]+\.py", guard)]
    assert guard
    functions = set(re.findall(r"\b(test_\w+)(?!\w|\.py)", guard))
    code = "".join(path.read_text() for path in files)
    assert not {name for name in functions if f"def {name}(" not in code}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every ``ambivox`` command in code blocks and inline code of a page."""
    text = page.read_text()
    blocks = [*re.findall(r"^(?: {4})?(\S.*)$", text, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)]
    for block in blocks:
        line = block.partition(" #")[0].strip()
        if line.startswith("ambivox "):
            yield shlex.split(line)[1:]


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_documented_options_exist(page: Path) -> None:
    application = build()
    for words in commands(page):
        command = words[0]
        known = set(application)
        assert command in known, f"ambivox {command}"
        if command.startswith("-"):
            continue
        options = {re.split("[.=]", word)[0] for word in words if word.startswith("--")} - {"--help"}
        unknown = options - option_names(application, command)
        assert not unknown, f"ambivox {' '.join(words)}: {unknown}"


def option_names(application: object, command: str) -> set[str]:
    """The options of a command, as its help lists them."""
    arguments = application[command].assemble_argument_collection(parse_docstring=False)  # type: ignore[index]
    return {name.partition(".")[0] for argument in arguments for name in argument.names}


def test_the_table_of_layers_is_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = next(
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["ambivox.models"]
    )
    rows = (ROOT / "CONTRIBUTING.md").read_text().partition("packages of `models/`")[2].splitlines()[2:]
    table = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows[: len(contract)]]
    assert table == [layer.split(" | ") for layer in contract]
    assert not rows[len(contract)]


def test_the_walk_names_functions_that_exist() -> None:
    """Each "`name` (file.py)" of the walk in CONTRIBUTING.md is defined in that file; file names may be short."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    walk = text.partition("## One vote from `ambivox run` to the report")[2].partition("\n## ")[0].strip()
    assert len(walk.splitlines()) <= 25
    named = re.findall(r"`([\w.]+)`[^`(]*?\(([\w/]+\.py)\)", " ".join(walk.split()))
    assert len(named) > 15
    for name, file in named:
        places = [path for path in SOURCES if title(path) == file or (path.name == file and "/" not in file)]
        defined = re.compile(rf"^\s*(?:def|class) {re.escape(name.split('.')[-1])}\b", re.MULTILINE)
        assert any(defined.search(path.read_text()) for path in places), f"{name} ({file})"
