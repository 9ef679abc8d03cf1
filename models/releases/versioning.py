"""Versions of the datasets: git tags over dvc.lock. git and DVC do the work; this asks them and words their refusals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from ambivox.models.errors import UserError

_VERSION = re.compile(r"v\d+(\.\d+){0,2}")


class Versions:
    """The versions of one project, a git repository with DVC in it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        if not (project / ".dvc").is_dir():
            raise UserError(f"{project.resolve()} is not a DVC project; go to the folder that holds dvc.yaml")
        self._git("rev-parse", "--git-dir")

    def free_tag(self, key: str, version: str) -> str:
        """The tag ``<key>-<version>``, checked not to exist.

        Raises:
            UserError: a malformed version, or one that was released already.
        """
        if not _VERSION.fullmatch(version):
            raise UserError(f"{version!r} is no version; expected v1, v1.2 or v1.2.3")
        tag = f"{key}-{version}"
        if self._git("tag", "--list", tag):
            raise UserError(f"{tag} was released already; a release never changes, take the next version")
        return tag

    def check_up_to_date(self, key: str) -> None:
        """Refuse outputs that are not what the pipeline would make now.

        Raises:
            UserError: DVC finds stages of ``key`` stale, with the first of them.
        """
        stale = sorted(name for name in json.loads(self._dvc("status", "--json")) if _corpus(name) == key)
        if stale:
            raise UserError(
                f"{len(stale)} stages of {key} are not up to date, the first is {stale[0]}; run: ambivox run, or dvc repro"
            )

    def revision(self) -> str:
        """The commit that is checked out.

        Raises:
            UserError: nothing was committed yet.
        """
        try:
            return self._git("rev-parse", "--verify", "HEAD")
        except UserError:
            raise UserError(
                "the git repository has no commit yet; commit dvc.yaml and params.yaml first"
            ) from None

    def latest(self, key: str) -> str:
        """The tag of the newest release of ``key``; empty before the first."""
        found = self._git("tag", "--list", "--sort=-version:refname", f"{key}-v*").split()
        return next((tag for tag in found if _VERSION.fullmatch(tag.removeprefix(f"{key}-"))), "")

    def changes(self, tag: str, key: str) -> dict[str, dict[str, tuple[float, float]]]:
        """Source -> measure -> (at the release, now), of the figures in ``key``'s validation that differ.

        Raises:
            UserError: DVC cannot compare; its last line.
        """
        target = f"data/{key}/validation/metrics.json"
        told = json.loads(self._dvc("metrics", "diff", tag, "--json", "--targets", target)).get(target, {})
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for name, change in told.items():
            source, _, measure = name.partition(".")
            if "diff" in change:
                found.setdefault(source, {})[measure] = (change["old"], change["new"])
        return found

    def push(self, key: str) -> None:
        """Send the content of ``key`` to the default remote."""
        stages = sorted(name for name in self._stages() if _corpus(name) == key)
        self._dvc("push", *stages)

    def commit_and_tag(self, tag: str, written: list[Path]) -> None:
        """Commit the data card with dvc.lock, params.yaml and DVC's pointers, nothing else; tag the commit."""
        held = ["dvc.yaml", "dvc.lock", "params.yaml", ".dvc/config", ".dvcignore"]
        pointers = [
            *self.project.glob("data/*/*.dvc"),
            *self.project.glob("data/**/.gitignore"),
            *self.project.glob("*.dvc"),
        ]
        paths = [name for name in held if (self.project / name).is_file()] + [
            str(path) for path in (*pointers, *written)
        ]
        self._git("add", "--", *paths)
        self._git("commit", "--quiet", "-m", f"Release {tag}", "--", *paths)
        self._git("tag", "-a", tag, "-m", f"Release {tag}; data card: {written[0].name}")

    def _stages(self) -> list[str]:
        return [
            line.split()[0] for line in self._dvc("stage", "list", "--name-only").splitlines() if line.strip()
        ]

    def _git(self, *arguments: str) -> str:
        return self._run(["git", *arguments])

    def _dvc(self, *arguments: str) -> str:
        return self._run([sys.executable, "-m", "dvc", *arguments])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            name = "dvc" if "dvc" in command else "git"
            raise UserError(f"{name} {command[-1]}: {said[-1]}")
        return done.stdout.strip()


def _corpus(stage: str) -> str:
    """The corpus of a stage's address: ``pool@demo``, ``finetune@demo-human-on``, ``data/demo/alm.dvc``."""
    if stage.endswith(".dvc"):
        return Path(stage).parent.name
    return stage.partition("@")[2].split("-")[0]
