"""Every code block of the documentation is run, or is checked in kind; a block of no known kind fails.

Commands of Ambivox, git and DVC are run by tests/flows/test_documented_commands.py. This file runs the Python of all
pages, has data read by what takes it, and has bash parse the commands of other programs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from prefect.events import Event
from ruamel.yaml import YAML

from ambivox.models.corpora import table
from ambivox.models.ingestion.labels import label_schema
from tests.infra.test_docs import PAGES, ROOT, SOURCES, title

# Programs that the pages call beside Ambivox. A word that is none of these begins no command.
PROGRAMS = {
    *(
        "accelerate",
        "ambivox",
        "apptainer",
        "cd",
        "conda",
        "cp",
        "docker",
        "dvc",
        "export",
        "git",
        "hf",
        "kubectl",
        "make",
    ),
    *("pip", "prefect", "python", "python3.12", "sbatch", "uv", ".venv/bin/python", ".venv/bin/coverage"),
}


# Python that needs a published dataset -> the test that runs it.
RUN_ELSEWHERE = {"docs/sharing.md": "tests/tasks/test_release_to_hub.py"}


@dataclass(frozen=True)
class Block:
    """A code block of a page: its language, where a fence names one, and its text."""

    page: Path
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced and the indented blocks of a page."""
    text = page.read_text()
    fence = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in fence.finditer(text):
        yield Block(page, match[1], match[2])
    # What directives of mkdocstrings are given is indented, too.
    text = re.sub(r"^::: .*\n(?: {4}.*\n)*", "\n", fence.sub("", text), flags=re.MULTILINE)
    for match in re.finditer(r"(?:^|\n\n)((?: {4}.*\n|\n(?= {4}))+)", text):
        yield Block(page, "", re.sub(r"^ {4}", "", match[1], flags=re.MULTILINE))


def kind(block: Block) -> str:
    """What a block is: the fence says it, or its first lines do."""
    if block.language in ("python", "text", "bibtex"):
        return block.language
    first = block.text.split()[0]
    if re.match(r"(import|from) \w", block.text):
        return "python"
    if first.startswith(("{", "[{")):
        return "json"
    if re.match(r"(\w+ = |\[\w+\])", block.text):
        return "toml"
    if re.fullmatch(r"[a-z_]+(,[a-z_]+)+", first):
        return "csv"
    return "commands"


ALL = [block for page in PAGES for block in blocks(page)]


def of_kind(name: str) -> list[Block]:
    return [block for block in ALL if kind(block) == name]


def test_the_pages_have_blocks_of_every_kind() -> None:
    assert {kind(block) for block in ALL} == {"python", "text", "bibtex", "json", "toml", "csv", "commands"}
    assert len(ALL) > 40


@pytest.mark.parametrize("page", sorted({block.page for block in of_kind("python")}), ids=title)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """The blocks of a page in one program, beside the two tables that README describes."""
    rng = np.random.default_rng(0)
    p_NK = rng.dirichlet((1, 1), 40)
    rows = [
        (f"u{i}", f"r{j}", ("anger", "joy")[int(rng.random() < p_NK[i, 1])])
        for i in range(40)
        for j in range(4)
    ]
    votes = pl.DataFrame(rows, ["utterance_id", "annotator_id", "label"], orient="row")
    votes.write_csv(tmp_path / "votes.csv")
    columns = {"utterance_id": [f"u{i}" for i in range(40)], "anger": p_NK[:, 0], "joy": p_NK[:, 1]}
    pl.DataFrame(columns).write_csv(tmp_path / "probabilities.csv")
    code = "\n".join(block.text for block in of_kind("python") if block.page == page)
    if title(page) in RUN_ELSEWHERE:
        assert f'"{title(page)}"' in (ROOT / RUN_ELSEWHERE[title(page)]).read_text()
        return
    if page.name == "README.md":
        assert len(code.splitlines()) == 5
        code += (
            "assert type(pooled).__module__.startswith('pandas') and len(pooled) == 40 and len(worth) == 2"
        )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    # What a page shows as printed is what is printed.
    assert not [
        block.text for block in of_kind("text") if block.page == page and block.text not in run.stdout
    ]


def test_tables_are_read_as_a_corpus(tmp_path: Path) -> None:
    (block,) = of_kind("csv")
    columns = [re.split(r" {2,}", line) for line in block.text.splitlines()]
    for name, lines in zip(("utterances", "votes"), zip(*columns, strict=True), strict=True):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    corpus = table.load(tmp_path)
    (utterance,) = corpus.utterances.to_dicts()
    assert (utterance["utterance_id"], utterance["speaker"]) == ("call_017", "anna")
    assert utterance["audio"].endswith("audio/call_017.wav")
    (vote,) = corpus.votes.to_dicts()
    assert (vote["utterance_id"], vote["annotator_id"], vote["label"]) == ("call_017", "rater3", "anger")


def test_a_schema_of_labels_is_read(tmp_path: Path) -> None:
    (block,) = of_kind("toml")
    (tmp_path / "schema.toml").write_text(block.text)
    merged = tomllib.loads(block.text)["labels"]
    schema = label_schema(
        str(tmp_path / "schema.toml"), (*(label for new in merged.values() for label in new), "other")
    )
    assert schema.labels == ("negative", "positive", "neutral")
    assert (schema.mapping["fear"], schema.mapping["other"]) == ("negative", None)


def test_the_event_is_one_that_prefect_takes_and_a_deployment_waits_for() -> None:
    (block,) = of_kind("json")
    (event,) = json.loads(block.text)
    triggers = YAML(typ="safe").load(ROOT / "infra/prefect.yaml")
    assert event["event"] in json.dumps(triggers)
    validated = Event.model_validate(event | {"id": uuid4()})
    assert validated.resource.id == "ambivox.source"


@pytest.mark.parametrize("page", sorted({block.page for block in of_kind("commands")}), ids=title)
def test_commands_are_of_known_programs_and_parse(page: Path) -> None:
    for block in of_kind("commands"):
        if block.page != page:
            continue
        words = [line.split()[0] for line in block.text.splitlines() if re.match(r"\S", line)]
        variable = re.compile(r"\w+=")
        assert {word for word in words if not variable.match(word)} <= PROGRAMS, block.text
        # "..." and <NAME> stand for what the reader fills in.
        script = re.sub(r"<\w+>", "NAME", block.text)
        parsed = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert parsed.returncode == 0, f"{block.text}\n{parsed.stderr}"


def test_the_bibliography_has_the_paper_and_the_version() -> None:
    (block,) = of_kind("bibtex")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"version = {{{project['version']}}}" in block.text
    assert "arXiv:2601.14620" in block.text
    assert block.text.count("{") == block.text.count("}")


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    table = page.partition("| message |")[2].partition("| symptom |")[0]
    messages = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    assert len(messages) > 6
    code = "\n".join(path.read_text() for path in SOURCES)
    # Messages are f-strings: a value stands where the page has none.
    literal = re.sub(r"\"\s*f?\"|\{[^{}]*\}", "", code)
    assert not [message for message in messages if message not in literal]


def test_terms_of_the_glossary_are_in_order() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| [^|]", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)[1:]
    assert len(rows) > 30
    assert rows == sorted(rows, key=str.lower)


def test_slurm_script_passes_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", str(ROOT / "examples/slurm.sh")], check=True)
