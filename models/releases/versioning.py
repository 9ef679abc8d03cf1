"""Versions of the datasets: git tags on commits of dvc.lock. This module runs git and DVC and explains their errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.dvc_files import recover_busy_list
from ambivox.models.errors import UserError
from ambivox.models.processes.git import run_git

_VERSION = re.compile(r"v\d+(\.\d+){0,2}", re.ASCII)


# What a release commits beside the data card and DVC's pointers.
_COMMITTED = ("dvc.yaml", "dvc.lock", "params.yaml", "software.yaml", ".dvc/config", ".dvcignore")
_POINTERS = ("data/*/*.dvc", "data/**/.gitignore", "*.dvc")


class Versions:
    """The versions of one project, a git repository with DVC in it."""

    def __init__(self, project: Path) -> None:
        """Check that ``project``, the folder that holds dvc.yaml, is a DVC project in a git repository.

        Raises:
            UserError: It is not.
        """
        self.project = project
        if not (project / ".dvc").is_dir():
            raise UserError(f"{project.resolve()} is not a DVC project; go to the folder that holds dvc.yaml")
        self._git("rev-parse", "--git-dir")
        recover_busy_list(project)

    def free_tag(self, key: str, version: str) -> str:
        """The tag ``<key>-<version>``, which must not exist yet.

        Args:
            key: The corpus's key.
            version: ``v1``, ``v1.2`` or ``v1.2.3``.

        Raises:
            UserError: A malformed version, or one that was released already.
        """
        tag = self.tag(key, version)
        if self.is_released(tag):
            raise UserError(f"{tag} was released already; a release never changes; choose the next version")
        return tag

    @staticmethod
    def tag(key: str, version: str) -> str:
        """The tag of a release, ``<key>-<version>``.

        Args:
            key: The corpus's key.
            version: ``v1``, ``v1.2`` or ``v1.2.3``.

        Raises:
            UserError: A malformed version, or no key.
        """
        if not key or key.startswith("-"):  # git would take it for an option
            raise UserError(f"found {key!r} as the name of a corpus, expected the folder data/KEY of a run")
        if not _VERSION.fullmatch(version):
            raise UserError(f"{version!r} is not a version; expected v1, v1.2 or v1.2.3")
        return f"{key}-{version}"

    def is_released(self, tag: str) -> bool:
        """Whether there is a release of this tag."""
        return bool(self._git("tag", "--list", "--", tag))

    def check_up_to_date(self, key: str) -> None:
        """Check that the outputs of ``key`` are those that the pipeline would produce now.

        Raises:
            UserError: Stages of ``key`` are stale; the message names the first.
        """
        stale = sorted(name for name in json.loads(self._dvc("status", "--json")) if _corpus(name) == key)
        if stale:
            raise UserError(
                f"{counted(len(stale), 'stage is', 'stages are')} not up to date for {key}, the first is {stale[0]}; run: ambivox run, or dvc repro"
            )

    def revision(self, tag: str) -> str:
        """The hash of the commit that a release is made from: the one that is checked out.

        Where that is the commit of this release, which was killed before its tag, it is the commit before.

        Args:
            tag: The release.

        Raises:
            UserError: Nothing was committed yet.
        """
        try:
            head = self._git("rev-parse", "--verify", "HEAD")
        except UserError:
            raise UserError(
                "the git repository has no commit yet; commit dvc.yaml and params.yaml first"
            ) from None
        if self._git("log", "-1", "--format=%s") == _subject(tag):
            return self._git("rev-parse", "--verify", "HEAD^")
        return head

    def date(self, revision: str) -> str:
        """The day of a commit, as YYYY-MM-DD; releases hold no other date.

        Args:
            revision: The commit.
        """
        return self._git("log", "-1", "--format=%cs", revision)

    def latest(self, key: str) -> str:
        """The tag of the newest release of ``key``; empty before the first."""
        tags = self._git("tag", "--list", "--sort=-version:refname", "--", f"{key}-v*").split()
        return next((tag for tag in tags if _VERSION.fullmatch(tag.removeprefix(f"{key}-"))), "")

    def changes(self, tag: str, key: str) -> dict[str, dict[str, tuple[float, float]]]:
        """The figures of ``key``'s validation that changed since a release.

        Args:
            tag: The release.
            key: The corpus's key.

        Returns:
            Source -> measure -> (value at the release, value now).

        Raises:
            UserError: DVC cannot compare; the message is its last line.
        """
        target = f"data/{key}/validation/metrics.json"
        output = self._dvc("metrics", "diff", tag, "--json", "--targets", target)
        changes: dict[str, dict[str, tuple[float, float]]] = {}
        for name, change in json.loads(output).get(target, {}).items():
            source, _, measure = name.partition(".")
            if "diff" in change:
                changes.setdefault(source, {})[measure] = (change["old"], change["new"])
        return changes

    def push(self, key: str) -> None:
        """Push the outputs of ``key`` to the default DVC remote.

        Raises:
            UserError: DVC refuses; the message is its last line.
        """
        stages = sorted(name for name in self._stages() if _corpus(name) == key)
        self._dvc("push", *stages)

    def commit_and_tag(self, tag: str, data_card: list[Path]) -> None:
        """Commit the data card, dvc.lock, params.yaml and DVC's pointers, and nothing else; tag the commit.

        Args:
            tag: The release.
            data_card: The files of the data card; the tag's message names the first.

        Raises:
            UserError: git refuses; the message is its last line.
        """
        pointers = [path for pattern in _POINTERS for path in self.project.glob(pattern) if path.is_file()]
        paths = [name for name in _COMMITTED if (self.project / name).is_file()]
        paths += [str(path) for path in (*pointers, *data_card)]
        self._git("add", "--", *paths)
        # Nothing differs where an earlier call was killed between the two commands.
        if self._git("diff", "--cached", "--name-only", "--", *paths):
            self._git("commit", "--quiet", "-m", _subject(tag), "--", *paths)
        self._git("tag", "-a", tag, "-m", f"Release {tag}; data card: {data_card[0].name}")

    def _stages(self) -> list[str]:
        return [
            line.split()[0] for line in self._dvc("stage", "list", "--name-only").splitlines() if line.strip()
        ]

    def _git(self, *arguments: str) -> str:
        return _output(run_git(self.project, *arguments), f"git {arguments[-1]}")

    def _dvc(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        result = subprocess.run(command, cwd=self.project, capture_output=True, text=True, check=False)
        return _output(result, f"dvc {arguments[-1]}")


def _output(result: subprocess.CompletedProcess[str], command: str) -> str:
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"{command}: {lines[-1]}")
    return result.stdout.strip()


def _subject(tag: str) -> str:
    """The first line of a release's commit."""
    return f"Release {tag}"


def _corpus(stage: str) -> str:
    """The corpus in a stage's address: ``pool@demo``, ``finetune@demo-human-on``, ``data/demo/alm.dvc``."""
    if stage.endswith(".dvc"):
        return Path(stage).parent.name
    return stage.partition("@")[2].split("-")[0]
