"""infra/preflight.sh and `make setup` on machines that lack something: one line, exit code 2, nothing created.

Each machine is a folder of commands that is the whole PATH: the real ones, without those that are missing, beside
stand-ins for what this machine is not (another system, an old Python, a full disk).
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.machine import PREFLIGHT, PYTHON, ROOT, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_with_all_that_is_needed_passes(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    assert machine.run("sh", "infra/preflight.sh", ".venv").stdout == "python3\n"
    made = machine.run("make", "setup")
    assert (made.returncode, made.stderr) == (0, "")
    assert (machine.checkout / ".venv" / ".ready").exists()


def test_a_machine_without_lscpu_passes_with_a_note(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    machine.lacks("lscpu")
    checked = machine.run("sh", "infra/preflight.sh", ".venv")
    assert (checked.returncode, checked.stdout) == (0, "python3\n")
    assert "vLLM on a CPU needs lscpu" in checked.stderr and "--engine transformers" in checked.stderr
    made = machine.run("make", "setup")
    assert made.returncode == 0 and (machine.checkout / ".venv" / ".ready").exists()


@pytest.mark.parametrize("version", ["3.10.13", "3.8.18", "2.7.18", "3.15.0", "3.2.6"])
def test_an_unsupported_python_is_named_with_what_to_do(machine: Machine, version: str) -> None:
    machine.has_old_python("python3", version)
    line = machine.complaint()
    assert f"found: python3 is {version};" in line
    assert "Python 3.11 to 3.14 is needed" in line
    assert "make setup PYTHON=" in line


def test_every_python_that_was_found_is_named(machine: Machine) -> None:
    machine.has_old_python("python3", "3.9.2")
    machine.has_old_python("python", "2.7.18")
    # What pyenv leaves for a version that is installed but not chosen.
    machine.has("python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    assert "found: python3 is 3.9.2, python is 2.7.18;" in machine.complaint()


def test_no_python_at_all(machine: Machine) -> None:
    assert "found: none;" in machine.complaint()


@pytest.mark.parametrize("note", [" of PyPy", " without GIL", " with 32 bits"])
def test_a_python_without_packages_for_it_is_refused(machine: Machine, note: str) -> None:
    machine.has_old_python("python3", "3.13.1", note=note)
    assert f"python3 is 3.13.1{note};" in machine.complaint()


def test_a_later_python_of_path_is_used_where_python3_is_too_old(machine: Machine) -> None:
    machine.has_old_python("python3", "3.10.13")
    machine.has("python3.12", PYTHON)
    checked = machine.run("sh", "infra/preflight.sh", ".venv")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "python3.12\n", "")


def test_the_python_that_the_user_names_is_the_only_candidate(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    machine.has_old_python("mine", "3.7.16")
    assert "found: mine is 3.7.16;" in machine.complaint(PYTHON="mine")


def test_no_venv_module(machine: Machine) -> None:
    machine.has_old_python("python3", "3.12.3")
    line = machine.complaint()
    assert "has no venv module" in line
    assert "apt install python3.12-venv" in line


def test_no_git(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    machine.lacks("git")
    assert "git was not found" in machine.complaint()


def test_no_space(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    machine.has(
        "df", "echo 'Filesystem 1024-blocks Used Available'; echo '/dev/sda1 9000000 7000000 2048000 78% /'"
    )
    line = machine.complaint()
    assert re.search(r"needs \d+ MB, but .* has 2000 MB free", line)


def test_an_environment_that_has_its_packages_needs_no_space(machine: Machine) -> None:
    machine.has(
        "df", "echo 'Filesystem 1024-blocks Used Available'; echo '/dev/sda1 9000000 7000000 2048000 78% /'"
    )
    environment = machine.checkout / ".venv"
    (environment / "lib" / "python3.11" / "site-packages" / "torch").mkdir(parents=True)
    (environment / "bin").mkdir()
    (environment / "bin" / "python").symlink_to(sys.executable)
    assert machine.run("sh", "infra/preflight.sh", ".venv").stdout == ".venv/bin/python\n"


def test_an_existing_environment_with_an_old_python_is_refused_and_kept(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    machine.has_old_python("old", "3.10.13")
    (machine.checkout / ".venv" / "bin" / "python").symlink_to(machine.commands / "old")
    assert "the one of .venv is 3.10.13; remove that folder, or name another" in machine.complaint()


def test_a_folder_that_cannot_be_written_to(machine: Machine) -> None:
    machine.has("python3", PYTHON)
    checked = machine.run("sh", "infra/preflight.sh", "nowhere/env")
    assert checked.returncode == 2
    assert "cannot write to nowhere, for the environment env" in checked.stderr


@pytest.mark.parametrize(
    ("system", "architecture", "expected"),
    [
        ("MINGW64_NT-10.0", "x86_64", "WSL"),
        ("MSYS_NT-10.0", "x86_64", "WSL"),
        ("CYGWIN_NT-10.0", "x86_64", "WSL"),
        ("Darwin", "x86_64", "Apple silicon"),
        ("Linux", "i686", "64-bit"),
        ("Linux", "armv7l", "64-bit"),
    ],
)
def test_another_system(machine: Machine, system: str, architecture: str, expected: str) -> None:
    machine.has("python3", PYTHON)
    machine.has("uname", f'case "$1" in -s) echo {system} ;; *) echo {architecture} ;; esac')
    assert expected in machine.complaint()


@pytest.mark.parametrize(
    ("system", "architecture"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Linux", "x86_64")]
)
def test_the_supported_systems_pass(machine: Machine, system: str, architecture: str) -> None:
    machine.has("python3", PYTHON)
    machine.has("getconf", "echo glibc 2.31")
    machine.has("uname", f'case "$1" in -s) echo {system} ;; *) echo {architecture} ;; esac')
    assert machine.run("sh", "infra/preflight.sh", ".venv").stdout == "python3\n"


@pytest.mark.parametrize("answer", ["echo glibc 2.28", "echo glibc 2.17", "exit 1"])
def test_an_old_or_another_c_library(machine: Machine, answer: str) -> None:
    machine.has("python3", PYTHON)
    machine.has("uname", 'case "$1" in -s) echo Linux ;; *) echo x86_64 ;; esac')
    machine.has("getconf", answer)
    assert "glibc 2.31 or later" in machine.complaint()


def test_make_on_windows_without_a_unix_shell(machine: Machine) -> None:
    made = machine.run("make", "demo", OS="Windows_NT")
    assert made.returncode == 2
    (line,) = made.stderr.splitlines()
    assert "WSL" in line


def test_the_demo_on_several_pythons_names_those_that_are_missing_or_fail(
    machine: Machine, tmp_path: Path
) -> None:
    machine.has_old_python("python3.10", "3.10.13")
    for name in ("mkdir", "mktemp", "cp", "rm", "grep", "tail", "git-upload-pack"):
        (machine.commands / name).symlink_to(shutil.which(name) or "missing")
    script = str(ROOT / "infra" / "demo_pythons.sh")
    ran = machine.run("bash", script, str(tmp_path / "runs"), "python3.99", "python3.10")
    assert ran.returncode == 1, ran.stderr
    skipped, failed = ran.stdout.splitlines()
    assert skipped == "python3.99: not on this machine, skipped"
    assert failed.startswith("python3.10 (3.10.13): failed: ambivox: Python 3.11 to 3.14 is needed")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["3.10.13.log"]


def test_the_versions_are_those_of_pyproject() -> None:
    text = PREFLIGHT.read_text()
    oldest, newest = (
        int(re.findall(rf"^{name}=(\d+)$", text, re.MULTILINE)[0]) for name in ("oldest", "newest")
    )
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert requires == f">=3.{oldest},<3.{newest + 1}"
    candidates = re.findall(r"python3\.(\d+)", text.partition("set -- python3 ")[2].partition(";")[0])
    assert [int(minor) for minor in candidates] == [*range(oldest, newest + 1)]
