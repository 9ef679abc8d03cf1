"""The package as it is installed: declared dependencies, the lock, the wheel, and names that do not clash with a user's own."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The folders that src/ambivox links to.
PACKAGES = ("flows", "models", "tasks")


def declared(*, without: tuple[str, ...] = ()) -> list[Requirement]:
    """The requirements of pyproject.toml and its extras, without those that name the package itself."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    lines = [*PYPROJECT["project"]["dependencies"]]
    lines += [line for extra, names in extras.items() if extra not in without for line in names]
    return [requirement for line in lines if (requirement := Requirement(line)).name != "ambivox"]


def imported_modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The top-level name of every absolute import below a folder, with the file that imports it."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.partition(".")[0], path


@pytest.fixture(scope="module")
def distributions() -> Mapping[str, list[str]]:
    """The distributions that each top-level package is installed by; to look at all of them takes seconds."""
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize("folder", [*PACKAGES, "tests", "benchmarks"])
def test_every_imported_package_is_declared(folder: str, distributions: Mapping[str, list[str]]) -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    first_party = {"ambivox", "benchmarks", "tests"}
    undeclared = {
        f"{module} in {path.relative_to(ROOT)}"
        for module, path in imported_modules(ROOT / folder)
        if module not in sys.stdlib_module_names | first_party
        and not names & {canonicalize_name(name) for name in distributions.get(module, [module])}
    }
    assert not undeclared


@pytest.mark.parametrize("folder", PACKAGES)
def test_error_messages_name_extras_that_exist(folder: str) -> None:
    code = "".join(path.read_text() for path in sorted((ROOT / folder).rglob("*.py")))
    named = re.findall(r"MissingExtraError\([^)]*?, \"(\w+)\"\)|'ambivox\[(\w+)\]'", code)
    extras = {name for pair in named for name in pair if name}
    assert extras <= set(PYPROJECT["project"]["optional-dependencies"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, links and all, so that the checkout itself stays clean."""
    checkout, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "dvc.yaml"):
        shutil.copy(ROOT / name, checkout)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", *PACKAGES):
        shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=ignored)
    command = [
        find_uv_bin(),
        "build",
        "--wheel",
        "--no-build-isolation",
        "--offline",
        "--python",
        sys.executable,
    ]
    built = subprocess.run(
        [*command, "--out-dir", str(out), str(checkout)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_one_package_with_all_its_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "ambivox",
        f"ambivox-{PYPROJECT['project']['version']}.dist-info",
    }
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    expected = {f"ambivox/{path.relative_to(ROOT)}" for path in sources if "__pycache__" not in path.parts}
    assert {name for name in names if name.startswith("ambivox/")} == {
        *expected,
        "ambivox/__init__.py",
        "ambivox/__main__.py",
        "ambivox/py.typed",
    }


def test_the_unpacked_wheel_is_imported_and_run(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "import ambivox.models.tables as tables; print(tables.__file__)"
    printed = run([sys.executable, "-c", code], tmp_path, environment)
    assert Path(printed.strip()).is_relative_to(tmp_path)
    assert "ingest" in run([sys.executable, "-m", "ambivox", "--help"], tmp_path, environment)
    run([sys.executable, "-m", "ambivox", "init", "project"], tmp_path, environment)
    assert "models/" not in (tmp_path / "project" / "dvc.yaml").read_text()


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """The standard output of a command that has to succeed."""
    finished = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def research(tmp_path: Path) -> Path:
    """A user's project with packages of the names that the checkout uses too."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "models" / "net.py").write_text("class Net: pass\n")
    return tmp_path


@pytest.fixture
def environment(research: Path) -> dict[str, str]:
    """The user's packages come first on PYTHONPATH, by the folder's name and as the working folder."""
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([".", str(research), *others])}


SCRIPT = str(Path(sys.executable).with_name("ambivox"))
MODULE = [sys.executable, "-m", "ambivox"]


@pytest.mark.parametrize("command", [[SCRIPT], MODULE], ids=["script", "module"])
@pytest.mark.parametrize("step", [[], ["ingest"]], ids=["all", "ingest"])
def test_a_users_own_packages_do_not_break_the_command(
    command: list[str], step: list[str], research: Path, environment: dict[str, str]
) -> None:
    printed = run([*command, *step, "--help"], research, environment)
    assert ("--corpus" if step else "ingest") in printed


def test_the_command_runs_as_a_module_of_the_checkout(environment: dict[str, str]) -> None:
    printed = run([sys.executable, "-m", "flows.cli", "--help"], ROOT, environment)
    assert printed == run([*MODULE, "--help"], ROOT, environment)


def test_a_users_own_packages_do_not_hide_the_vllm_plugin(
    research: Path, environment: dict[str, str]
) -> None:
    (entry_point,) = (
        point
        for point in importlib.metadata.entry_points(group="vllm.general_plugins")
        if point.name == "ambivox"
    )
    code = (
        "from importlib.metadata import entry_points\n"
        "(point,) = (p for p in entry_points(group='vllm.general_plugins') if p.name == 'ambivox')\n"
        "print(point.load().__module__)"
    )
    assert run([sys.executable, "-c", code], research, environment).strip() == entry_point.module


@pytest.mark.parametrize("first", ["the user's", "Ambivox's"])
def test_a_users_own_model_is_imported_beside_ambivox(
    first: str, research: Path, environment: dict[str, str]
) -> None:
    statements = ["from models.net import Net", "import ambivox.models.tables"]
    code = "\n".join(statements if first == "the user's" else statements[::-1])
    run([sys.executable, "-c", f"{code}\nNet()"], research, environment)
