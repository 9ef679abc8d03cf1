"""dvc.yaml tells the truth: every stage depends on the code, the options and the files that decide its output."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

import ambivox.tasks
from ambivox.flows.pipeline import stages
from ambivox.flows.stage_arguments import PATHS, stage_call
from ambivox.models.errors import UserError
from ambivox.models.registry import keys
from tests.support.scratch_project import init_repository
from tests.support.stage_code import ROOT, code_of


@pytest.fixture(scope="module")
def definitions() -> dict[str, dict[str, Any]]:
    """The body of every stage of dvc.yaml by step."""
    loaded = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return {step: body.get("do", body) for step, body in loaded.items()}


def test_a_stage_depends_on_all_code_that_its_step_imports(definitions: dict[str, dict[str, Any]]) -> None:
    graph = grimp.build_graph("ambivox")
    for step, body in definitions.items():
        code = {path for path in body["deps"] if path.startswith(("models/", "tasks/"))}
        assert code == code_of(graph, step) | {f"tasks/{step}.py"}, f"{step}: run `make stages`"


def test_stages_steps_and_paths_agree(definitions: dict[str, dict[str, Any]]) -> None:
    assert definitions.keys() == PATHS.keys() <= set(keys(ambivox.tasks))
    for step, body in definitions.items():
        assert body["cmd"] == f"ambivox stage {step}"
        names = {
            "${key}": "K",
            "${item.corpus}": "K",
            "${item}": "K",
            "${item.source}": "S",
            "${item.dime_aug}": "D",
        }
        texts = [*body["deps"], *body["outs"]]
        for template, name in names.items():
            texts = [text.replace(template, name) for text in texts]
        declared = {text.removeprefix("data/K/") for text in texts}
        for argument, path in PATHS[step].items():
            filled = path.format(source="S", dime_aug="D")
            covered = {str(parent) for parent in (Path(filled), *Path(filled).parents)}
            assert argument == "data" or covered & declared, f"{step}: {argument} = {path} is no dep or out"


def test_every_option_reaches_its_stage(definitions: dict[str, dict[str, Any]]) -> None:
    for step, body in definitions.items():
        sections = {"${key}", "${item}", "${item.corpus}"}
        own = {f"corpora.{key}.{step}" for key in sections} | {f"{step}.${{key}}"}
        assert own & set(body["params"]), step
        from dataclasses import fields

        from ambivox.flows.step_options import options_class

        seeded = "seed" in {field.name for field in fields(options_class(step))}
        assert seeded == ("seed" in body["params"]), step


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A finished demo project in which each stage's outputs are stand-ins, so that DVC calls everything up to date."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("models", "tasks", "imported_votes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    init_repository(tmp_path)
    data = tmp_path / "data" / "demo"
    for stage in stages(tmp_path):
        path = PATHS[stage.step]["out"]
        cell = stage.address.partition("@")[2].split("-")[1:]
        out = data / path.format(source=cell[0] if cell else "", dime_aug=cell[-1] if cell else "")
        if out.suffix:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(stage.address)
        else:
            out.mkdir(parents=True, exist_ok=True)
            inner = {"ingest": "utterances votes heldout", "annotations": "annotations"}.get(out.name, "part")
            names = ("human", "pooled") if out.name == "distributions" else inner.split()
            for name in (*names, "metrics"):
                (out / f"{name}.parquet").write_text(stage.address)
            (out / "metrics.json").write_text("{}")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-q", "-f"], cwd=tmp_path, check=True)
    return tmp_path


def stale_by_itself(project: Path) -> set[str]:
    """Steps that DVC calls changed, without what is only downstream of them."""
    from dvc.repo import Repo

    with Repo(str(project)) as repo:
        return {name.split("@")[0].split(":")[-1] for name in repo.status()}


def test_editing_a_package_makes_exactly_its_stages_stale(
    scratch: Path, definitions: dict[str, dict[str, Any]]
) -> None:
    assert stale_by_itself(scratch) == set()
    packages = {path for body in definitions.values() for path in body["deps"] if path.startswith("models/")}
    for package in sorted(packages):
        path = scratch / package
        edited = path if path.is_file() else path / "__init__.py"
        before = edited.read_text()
        edited.write_text(before + "\n# edited\n")
        expected = {step for step, body in definitions.items() if package in body["deps"]}
        if package.startswith("models/reporting/"):
            expected |= {"report"}
        # Trial has no stage in the demo project.
        assert stale_by_itself(scratch) == expected - {"trial"}, package
        edited.write_text(before)


def test_an_option_makes_its_own_stage_stale(scratch: Path) -> None:
    params = scratch / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("criterion: likelihood", "criterion: balanced"))
    assert stale_by_itself(scratch) == {"pool"}
    params.write_text(before.replace("seed: 0", "seed: 1"))
    assert stale_by_itself(scratch) == set(PATHS) - {"predict", "report", "trial"}


def test_options_come_from_params_yaml(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("criterion: likelihood", "criterion: balanced"))
    call = stage_call(tmp_path, "pool@demo")
    assert call.arguments["options"].criterion == "balanced"
    assert call.arguments["out"] == Path("data/demo/distributions")
    cell = stage_call(tmp_path, "finetune@demo-pooled-on")
    assert cell.arguments["out"] == Path("data/demo/finetuned/pooled-on")
    assert cell.arguments["dime_aug"] == "on"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "criterion: likelihood",
            "criterion: nonsense",
            "corpora.demo.pool.criterion: input should be 'likelihood'",
        ),
        (
            "criterion: likelihood",
            "criterium: likelihood",
            "unknown option of pool in params.yaml: corpora.demo.pool 'criterium'",
        ),
        ("    pool:\n", "    pool: --criterion js\n    unused:\n", "corpora.demo.pool: expected a mapping"),
        ("seed: 0", "seed: '0; touch x'", "seed: expected a whole number"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError) as raised:
        stage_call(tmp_path, "pool@demo")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("entry", ["5", "[a]", "{corpus: demo}"])
def test_a_corpus_that_is_no_mapping_is_named(tmp_path: Path, entry: str) -> None:
    (tmp_path / "params.yaml").write_text(f"corpora: {{demo: {entry}}}\n")
    with pytest.raises(UserError, match=r"corpora\.demo: expected a mapping"):
        stage_call(tmp_path, "pool@demo")


@pytest.mark.parametrize("name", ["pool@../x", "pool@a;touch x", "nonsense@demo", "pool", "", "pool@Demo"])
def test_a_malformed_stage_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not a stage"):
        stage_call(ROOT, name)
