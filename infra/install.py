"""Install the packages of requirements.lock, and Ambivox itself, into an environment of venv, uv or conda.

    python infra/install.py [--dry-run] FOLDER

``make setup`` calls it with the Python that infra/preflight.sh chose. It uses the standard library only. A folder that
does not exist becomes an environment of that Python; an existing environment is used as it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
# On Linux, PyPI's build of torch needs the CUDA libraries, with or without a GPU.
SPACE_FOR_CUDA_BYTES = 12 * 10**9
# A package index that does not answer delays the installation by no more than this.
CONNECT_SECONDS = "5"


class InstallError(Exception):
    """What stopped the installation, in one line."""


def main(arguments: list[str]) -> int:
    """Install into the folder that the arguments name; return the exit code."""
    dry_run = "--dry-run" in arguments
    folders = [argument for argument in arguments if argument != "--dry-run"]
    if len(folders) != 1 or folders[0].startswith("-"):
        print("usage: python infra/install.py [--dry-run] FOLDER", file=sys.stderr)
        return 2
    try:
        install(open_environment(Path(folders[0])), dry_run=dry_run)
    except InstallError as error:
        print(f"ambivox: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


@dataclass(frozen=True)
class Environment:
    """An environment with Python, and the uv that installs into it.

    Attributes:
        folder: holds ``bin/python``.
        uv: the command.
        has_pip: whether it has pip; one that uv made has none.
    """

    folder: Path
    uv: str
    has_pip: bool

    @property
    def python(self) -> str:
        """The Python of the environment."""
        return str(self.folder / "bin" / "python")


def open_environment(folder: Path) -> Environment:
    """The environment in a folder, created where there is none, with the uv of the lock or, without pip, the machine's.

    Raises:
        InstallError: if it cannot be created, or has neither pip nor uv.
    """
    folder = folder.absolute()
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        run([sys.executable, "-m", "venv", str(folder)])
    has_pip = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    if has_pip:
        run([python, "-m", "pip", "install", "--quiet", "--quiet", locked("uv")])
        return Environment(folder, str(folder / "bin" / "uv"), has_pip=True)
    uv = shutil.which("uv", path=f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise InstallError(
            f"{folder} has neither pip nor uv; run: {python} -m ensurepip, or remove the folder"
        )
    return Environment(folder, uv, has_pip=False)


def install(environment: Environment, *, dry_run: bool) -> None:
    """Install torch in a build for this machine, then the rest of the lock, which is complete, then Ambivox.

    Args:
        environment: where to.
        dry_run: Show what would be installed, and install nothing.

    Raises:
        InstallError: if a command fails, or the disk is too small.
    """
    print(
        f"Installing the packages of {LOCK.name} into {environment.folder}; two to five minutes on two cores",
        flush=True,
    )
    options = ["--dry-run"] if dry_run else ["--quiet"]
    uv = [environment.uv, "pip", "install", "--python", environment.python, *options, "--no-deps"]
    install_torch(environment, options)
    run([*uv, "--compile-bytecode", "--requirements", str(LOCK)])
    run([*uv, "--no-build-isolation", "--editable", str(ROOT)])


def install_torch(environment: Environment, options: list[str]) -> None:
    """Install the CPU build of torch or, on a machine with a GPU, the CUDA build with its libraries.

    On Linux these are on PyTorch's own package index. Where that index does not answer, torch comes from pip, which can be
    configured to find a CPU build elsewhere, or, in an environment without pip, from uv's default index.
    """
    torch = locked("torch")
    requirements = ["--constraint", str(LOCK), torch]
    uv = [environment.uv, "pip", "install", "--python", environment.python]
    backend = ["--torch-backend", os.environ.get("UV_TORCH_BACKEND", "auto")]
    if sys.platform == "linux":
        if answers([*uv, "--dry-run", "--reinstall", "--no-deps", *backend, torch]):
            run([*uv, *options, *backend, *requirements])
            return
        if not (environment.has_pip and "+" in build_that_pip_finds(environment, torch)):
            check_space_for_cuda(environment)
    if environment.has_pip:
        quieter = ["--quiet", *options]
        run([environment.python, "-m", "pip", "install", *quieter, *requirements])
    else:
        run([*uv, *options, *requirements])


def locked(package: str) -> str:
    """The requirement ``package==version`` of the lock, without its marker."""
    line = re.search(rf"^{package}==\S+", LOCK.read_text(), re.MULTILINE)
    if line is None:
        raise InstallError(f"{package} is not in {LOCK}; run: make lock")
    return line[0]


def answers(command: list[str]) -> bool:
    """Whether a package index answers a command of uv soon, at the first attempt."""
    patience = {"UV_HTTP_CONNECT_TIMEOUT": CONNECT_SECONDS, "UV_HTTP_RETRIES": "0"}
    environment = {**os.environ, **patience}
    finished = subprocess.run(command, cwd=ROOT.anchor, env=environment, capture_output=True, check=False)
    return finished.returncode == 0


def build_that_pip_finds(environment: Environment, requirement: str) -> str:
    """The version that pip would install, with the name of the build, for example ``2.13.0+cpu``; "" if it finds none."""
    report = ["--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-"]
    command = [environment.python, "-m", "pip", "install", *report, requirement]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        return ""
    return str(json.loads(finished.stdout)["install"][0]["metadata"]["version"])


def check_space_for_cuda(environment: Environment) -> None:
    """Announce the build with CUDA, and refuse it where the disk cannot hold it."""
    why = "PyTorch's package index does not answer, so torch comes with its CUDA libraries"
    free_bytes = shutil.disk_usage(environment.folder).free
    if free_bytes < SPACE_FOR_CUDA_BYTES:
        needed = f"{SPACE_FOR_CUDA_BYTES / 1e9:.0f} GB are needed in {environment.folder}"
        raise InstallError(f"{why}: {needed}, {free_bytes / 1e9:.1f} GB are free")
    print(f"{why}, a download of 3 GB", flush=True)


def run(command: list[str]) -> None:
    """Run a command, away from the checkout: uv would apply pyproject.toml's rules for the lock to what it installs."""
    finished = subprocess.run(command, cwd=ROOT.anchor, check=False)
    if finished.returncode != 0:
        name = " ".join(Path(word).name if index == 0 else word for index, word in enumerate(command))
        raise InstallError(f"exit code {finished.returncode} from: {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
