"""What DVC's cache and remotes, git, buckets and providers still hold, and the commands that purge it.

Ambivox does not run them: they change history that others share.
"""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.dvc_files import read_lock_file, repo_config
from ambivox.models.errors import UserError
from ambivox.models.forgetting.archives import UnsearchableError
from ambivox.models.forgetting.history import files_in_history
from ambivox.models.forgetting.mentions import Names, mentions
from ambivox.models.object_store import is_object_url
from ambivox.models.processes.git import run_git

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def earlier_outputs(project: Path, corpora: Collection[str]) -> list[Path]:
    """The objects in DVC's cache that outputs of corpora had at the last run.

    Args:
        project: The project's folder.
        corpora: Names of corpora.

    Returns:
        Files in .dvc/cache.

    Raises:
        UserError: dvc.lock cannot be read.
    """
    lock = read_lock_file(project)
    outs = [out for stage in lock.stages.values() for out in stage.outs]
    folders = tuple(f"data/{corpus}/" for corpus in corpora)
    cache = project / ".dvc" / "cache" / "files" / "md5"
    hashes = {out.md5 for out in outs if out.path.startswith(folders) and _MD5.fullmatch(out.md5)}
    return sorted(path for each in hashes if (path := cache / each[:2] / each[2:]).is_file())


def commands(
    project: Path,
    corpora: Collection[str],
    names: Names,
    *,
    imported_changed: Collection[str],
    runs_are_stale: bool,
) -> Iterator[tuple[str, list[str]]]:
    """What still holds earlier data of corpora in DVC and git.

    Args:
        project: The project's folder.
        corpora: The corpora that people were removed from.
        names: What the people are known by.
        imported_changed: Those of which imported votes were removed.
        runs_are_stale: Whether the pipeline has to run before DVC's cache can be purged.

    Yields:
        A line that says what is held, and commands that purge it, in order.
    """
    tags = [tag for corpus in sorted(corpora) for tag in _git(project, "tag", "--list", f"{corpus}-v*")]
    if tags:
        purge = [f"git tag -d {shlex.quote(tag)}" for tag in tags]
        purge += [
            f"git push {shlex.quote(remote)} --delete {shlex.quote(tag)}"
            for remote in _git(project, "remote")
            for tag in tags
        ]
        yield f"released versions: {', '.join(tags)}; whoever fetched them has a copy", purge
    yield from _in_history(project, names, imported_changed)
    objects = earlier_outputs(project, corpora)
    remotes = dvc_remotes(project)
    if objects or remotes:
        where = ", ".join(
            [*(["DVC's cache"] if objects else []), *(f"DVC remote {name}" for name in remotes)]
        )
        run = ["dvc repro", "git commit -am 'Forget people'"]
        collect = f"dvc gc --workspace --all-tags{' --cloud' if remotes else ''} --force"
        size = sum(path.stat().st_size for path in objects) / 1e6
        yield (
            f"{where}: outputs of earlier runs ({counted(len(objects), 'object')} of the last run, {size:.1f} MB)",
            [*(run if runs_are_stale else []), *(["dvc fetch --all-tags"] if remotes else []), collect],
        )
    if (cache := _site_cache(project)) and _folder_mentions(cache, names):
        yield f"DVC's cache of this machine, {cache}: paths of files", [f"rm -r {shlex.quote(str(cache))}"]


def _in_history(
    project: Path, names: Names, imported_changed: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    found, unknown = files_in_history(project, names)
    # Ids that are too short to be found in text are in these all the same.
    imported = [f"imported_votes/{corpus}.csv" for corpus in sorted(imported_changed)]
    prefix = "".join(_git(project, "rev-parse", "--show-prefix"))
    held = {
        prefix + name for name in imported if _git(project, "log", "--all", "--format=%h", "-1", "--", name)
    }
    if paths := sorted({*found, *held}):
        purge = " ".join(f"--path {shlex.quote(path)}" for path in paths)
        yield (
            f"earlier commits hold {', '.join(paths[:5])}{f' and {len(paths) - 5} more' if len(paths) > 5 else ''} (save "
            "what you keep of them first, and commit it again afterwards)",
            [f"git filter-repo --invert-paths {purge}"],
        )
    if unknown := [path for path in unknown if path not in held]:
        yield f"earlier commits, perhaps: versions of {', '.join(unknown)} cannot be searched", []


def _site_cache(project: Path) -> Path | None:
    """Where DVC keeps what it knows of this project's files, outside the project: core.site_cache_dir, or /var/tmp/dvc."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(project), config=repo_config(project)) as repo:
            return Path(repo.site_cache_dir)
    except (DvcException, OSError):
        return None


def _folder_mentions(folder: Path, names: Names) -> bool:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and mentions(path, names):
                return True
        except UnsearchableError:
            return True  # DVC makes it again
    return False


def store_commands(store: str) -> Iterator[tuple[str, list[str]]]:
    """What a bucket may still hold of a vote store.

    Args:
        store: The store's folder or URL.

    Yields:
        As ``commands``.
    """
    if is_object_url(store):
        bucket, _, prefix = store.removeprefix("s3://").partition("/")
        yield (
            f"{store}: earlier shards, if the bucket keeps versions",
            [
                f"aws s3api list-object-versions --bucket {shlex.quote(bucket)} --prefix {shlex.quote(prefix)}",
                f"aws s3api delete-object --bucket {shlex.quote(bucket)} --key KEY --version-id VERSION",
            ],
        )


def dvc_remotes(project: Path) -> list[str]:
    """The names of the project's DVC remotes.

    Args:
        project: The project's folder.
    """
    names: set[str] = set()
    for name in ("config", "config.local"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(project / ".dvc" / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        sections = [section.strip("'") for section in parser.sections()]
        names |= {section.split('"')[1] for section in sections if section.startswith('remote "')}
    return sorted(names)


def _git(project: Path, *arguments: str) -> list[str]:
    """The lines that a git command prints; none where the project is in no repository."""
    try:
        result = run_git(project, *arguments)
    except UserError:
        return []
    return result.stdout.split("\n")[:-1] if result.returncode == 0 else []
