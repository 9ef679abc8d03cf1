"""A machine that lacks something: a folder of commands that is the whole PATH, and a checkout for ``make setup``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREFLIGHT = ROOT / "infra" / "preflight.sh"
COMMANDS = (
    "sh",
    "bash",
    "make",
    "uname",
    "getconf",
    "git",
    "dirname",
    "basename",
    "df",
    "awk",
    "ls",
    "touch",
    "lscpu",
)
PYTHON = f'exec "{sys.executable}" "$@"'


class Machine:
    """A folder of commands, and a folder to work in with the files that `make setup` reads."""

    def __init__(self, folder: Path) -> None:
        self.commands, self.checkout = folder / "bin", folder / "checkout"
        self.commands.mkdir()
        for name in COMMANDS:
            real = shutil.which(name)
            assert real is not None
            (self.commands / name).symlink_to(real)
        (self.checkout / "infra").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.checkout)
        shutil.copy(PREFLIGHT, self.checkout / "infra")
        # In place of the installation: it would show that the checks let the machine pass.
        (self.checkout / "infra" / "install.py").write_text(
            "import pathlib, sys\npathlib.Path(sys.argv[1]).mkdir()\n"
        )

    def lacks(self, command: str) -> None:
        (self.commands / command).unlink()

    def has(self, command: str, script: str) -> None:
        path = self.commands / command
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def has_old_python(self, command: str, version: str, *, note: str = "") -> None:
        """A Python that answers every program with its version, and imports nothing that the checks look for."""
        self.has(command, f'case "$2" in *ensurepip*) exit 1 ;; *) echo "{version}{note}" ;; esac')

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.checkout,
            env={"PATH": str(self.commands), "LC_ALL": "C", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def complaint(self, *arguments: str, **variables: str) -> str:
        """The one line that both the script and `make setup` end in, after which there is nothing new."""
        before = sorted(self.checkout.rglob("*"))
        script = self.run("sh", "infra/preflight.sh", ".venv", **variables)
        assert (script.returncode, script.stdout) == (2, "")
        (line,) = script.stderr.splitlines()
        words = [f"{name}={value}" for name, value in variables.items()]
        made = self.run("make", "setup", *words, *arguments)
        assert made.returncode == 2
        own = [text for text in (made.stdout + made.stderr).splitlines() if not text.startswith("make")]
        assert own == [line]
        assert sorted(self.checkout.rglob("*")) == before
        return line
