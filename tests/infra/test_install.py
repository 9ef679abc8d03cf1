"""infra/install.py: where torch comes from, environments of other tools, and failures in one line.

The environments are real, and so are uv and pip. Only the dry runs need the package index.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "infra" / "install.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """infra/install.py as a module, which it is for tests only."""
    spec = importlib.util.spec_from_file_location("ambivox_install", INSTALL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made_by_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that uv made; it has no pip."""
    folder = tmp_path_factory.mktemp("uv") / "env"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def made_like_conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as conda makes it: a Python with a library of its own, not one that refers to another Python."""
    folder = tmp_path_factory.mktemp("conda") / "env"
    library = Path(sysconfig.get_path("stdlib"))
    (folder / "bin").mkdir(parents=True)
    (folder / "conda-meta").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / "python")
    own = folder / "lib" / library.name
    (own / "site-packages").mkdir(parents=True)
    for entry in library.iterdir():
        if entry.name not in {"site-packages", "dist-packages", "EXTERNALLY-MANAGED"}:
            (own / entry.name).symlink_to(entry)
    prefix = subprocess.check_output(
        [folder / "bin" / "python", "-c", "import sys; print(sys.prefix)"], text=True
    )
    assert prefix.strip() == str(folder)
    return folder


def install(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(INSTALL), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def wheel(folder: Path, version: str) -> None:
    """A wheel of torch with nothing in it."""
    information = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        )
        archive.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{information}/RECORD", "")


def locked_here() -> set[str]:
    """The packages of the lock for this machine and Python."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        requirement.name
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def would_install(output: str) -> set[str]:
    """The packages that a dry run of uv or pip names."""
    of_uv = re.findall(r"^ \+ ([a-z0-9-]+)", output, re.MULTILINE)
    line_of_pip = re.search(r"^Would install (\S+-\d.*)$", output, re.MULTILINE)
    of_pip = [word.rpartition("-")[0] for word in line_of_pip[1].split()] if line_of_pip else []
    return {canonicalize_name(name) for name in [*of_uv, *of_pip]}


@pytest.mark.parametrize("tool", ["made_by_uv", "made_like_conda"])
def test_an_existing_environment_gets_the_whole_lock(
    tool: str, request: pytest.FixtureRequest, package_index: None
) -> None:
    folder = request.getfixturevalue(tool)
    before = sorted((folder / "lib").rglob("site-packages/**/*"))
    path = f"{Path(find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
    finished = install("--dry-run", str(folder), PATH=path)
    assert finished.returncode == 0, finished.stderr
    assert would_install(finished.stdout + finished.stderr) >= {*locked_here(), "ambivox"}
    assert sorted((folder / "lib").rglob("site-packages/**/*")) == before


def test_an_environment_made_by_venv_gets_the_whole_lock(tmp_path: Path, package_index: None) -> None:
    finished = install("--dry-run", str(tmp_path / "env"))
    assert finished.returncode == 0, finished.stderr
    # uv is installed to do the rest.
    assert would_install(finished.stdout + finished.stderr) >= {*locked_here(), "ambivox"} - {"uv"}


def test_uv_resolves_the_extra_for_the_cpu_to_the_locked_versions(
    made_by_uv: Path, package_index: None
) -> None:
    """What docs/installation.md gives to those who install without make."""
    command = [find_uv_bin(), "pip", "install", "--dry-run", "--python", str(made_by_uv / "bin" / "python")]
    finished = subprocess.run(
        [*command, "--constraint", "requirements.lock", "--editable", ".[cpu]"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert would_install(finished.stderr) <= {*locked_here(), "ambivox"}


def test_an_environment_without_pip_on_a_machine_without_uv(made_by_uv: Path) -> None:
    finished = install(str(made_by_uv), PATH="/nowhere")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "has neither pip nor uv; run: " in line
    assert "-m ensurepip" in line


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("one", "two"), ("--help",)])
def test_wrong_arguments_are_answered_with_the_usage(arguments: tuple[str, ...]) -> None:
    finished = install(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == "usage: python infra/install.py [--dry-run] FOLDER\n"


def test_a_command_that_fails_ends_in_one_line_with_its_exit_code(program: ModuleType) -> None:
    with pytest.raises(program.InstallError, match=r"^exit code 3 from: python\S* -c raise SystemExit\(3\)$"):
        program.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_build_that_pip_is_configured_for_is_known(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    here = program.Environment(Path(sys.prefix), "uv", has_pip=True)
    assert program.build_that_pip_finds(here, "torch==2.13.0") == ""
    wheel(tmp_path, "2.13.0")
    assert program.build_that_pip_finds(here, "torch==2.13.0") == "2.13.0"
    wheel(tmp_path, "2.13.0+cpu")
    assert program.build_that_pip_finds(here, "torch==2.13.0") == "2.13.0+cpu"


def test_an_index_that_does_not_answer_is_given_up(
    program: ModuleType, made_by_uv: Path, tmp_path: Path
) -> None:
    command = [find_uv_bin(), "pip", "install", "--python", str(made_by_uv / "bin" / "python"), "--dry-run"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
        assert not program.answers([*command, "--default-index", address, "torch"])
    wheel(tmp_path, "2.13.0+cpu")
    assert program.answers([*command, "--no-index", "--find-links", str(tmp_path), "torch==2.13.0"])


def test_a_disk_without_space_for_cuda_is_refused_before_the_download(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = program.Environment(tmp_path, "uv", has_pip=True)
    monkeypatch.setattr(program, "SPACE_FOR_CUDA_BYTES", 10**18)
    with pytest.raises(program.InstallError, match=r"1000000000 GB are needed in .*, [\d.]+ GB are free$"):
        program.check_space_for_cuda(environment)
    monkeypatch.setattr(program, "SPACE_FOR_CUDA_BYTES", 1)
    program.check_space_for_cuda(environment)
    assert "CUDA libraries" in capsys.readouterr().out


def test_the_command_on_windows_names_wsl_in_one_line() -> None:
    code = "import sys, ambivox.flows.cli as cli; sys.platform = 'win32'; cli.main()"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert "WSL" in line
