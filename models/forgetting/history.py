"""Files whose versions in git mention people: commits on any branch, what reflogs and the stash keep, and what is staged."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from ambivox.models.forgetting.archives import UnsearchableError
from ambivox.models.forgetting.mentions import Names, content_mentions

_IN_MEMORY = 64 << 20
_BLOCK_BYTES = 1 << 20
_LINK = "160000"  # the mode of a submodule, which is a commit of another repository


def files_in_history(project: Path, names: Names) -> tuple[list[str], list[str]]:
    """Search all versions that git keeps of a project's files.

    Args:
        project: The project's folder.
        names: What the people are known by.

    Returns:
        The files of which a version mentions them, and those of which a version cannot be searched; their paths start
        from the top of the repository, as those of ``git filter-repo`` do. None where the project is in no repository.
    """
    paths: dict[str, set[str]] = defaultdict(set)
    for version, path in _versions(project):
        paths[version].add(path)
    found: set[str] = set()
    unknown: set[str] = set()
    for version, content in _contents(project, list(paths)):
        try:
            if any(names.are_in(os.fsencode(path)) for path in paths[version]) or content_mentions(
                content, names
            ):
                found |= paths[version]
        except UnsearchableError:
            unknown |= paths[version]
    return sorted(found), sorted(unknown - found)


def _versions(project: Path) -> Iterator[tuple[str, str]]:
    """The id and the path of each version of each file below the project."""
    top = "".join(_fields(project, "rev-parse", "--show-prefix")).strip("\n")
    # Every commit's changes against each parent, so that no merge hides a version.
    log = ("log", "--all", "--reflog", "--full-history", "-m", "--raw", "--no-abbrev", "--no-renames")
    changes = _fields(project, "-c", "log.showRoot=true", *log, "--format=", "-z", "--", ".")
    fields = iter([field.strip("\n") for field in changes if field.strip("\n")])
    for field, path in zip(fields, fields, strict=False):
        _, mode, _, version, _ = field.split(" ")
        if mode != _LINK and version.strip("0"):
            yield version, path
    for entry in _fields(project, "ls-files", "--stage", "-z"):
        if entry:
            (mode, version, _), path = entry.partition("\t")[0].split(" "), entry.partition("\t")[2]
            if mode != _LINK:
                yield version, top + path


def _fields(project: Path, *arguments: str) -> list[str]:
    """What git prints, split at NUL; names of files may be in any encoding. None where git is not installed."""
    try:
        result = subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, check=False)
    except OSError:
        return []
    return [os.fsdecode(field) for field in result.stdout.split(b"\0")] if result.returncode == 0 else []


def _contents(project: Path, versions: list[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The content of versions; those that a shallow clone lacks are left out."""
    if not versions:
        return
    with tempfile.TemporaryFile() as wanted:
        wanted.write("".join(f"{version}\n" for version in versions).encode())
        wanted.seek(0)
        with subprocess.Popen(
            ["git", "-C", str(project), "cat-file", "--batch"],
            stdin=wanted,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"GIT_NO_LAZY_FETCH": "1"},
        ) as process:
            assert process.stdout is not None
            for header in process.stdout:
                version, kind, *size = header.decode().split()
                if not size:
                    continue
                with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as content:
                    _copy(process.stdout, content, int(size[0]))
                    process.stdout.read(1)
                    if kind == "blob":
                        yield version, cast("IO[bytes]", content)


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count and (block := source.read(min(count, _BLOCK_BYTES))):
        target.write(block)
        count -= len(block)
    target.seek(0)
