r"""Audio as tables name it: relative to the table, with backslashes, as file:// URLs, below ``~``, in another Unicode form."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl

from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES, plain_name, recordings_below
from ambivox.models.object_store import is_object_url

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:", re.IGNORECASE)
_PARENT = re.compile(r"(?:.*/)?\.\.(?=/|$)", re.DOTALL)  # up to the last ..
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def resolve_audio(utterances: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Turn what a table says about audio into paths and ``s3://`` URLs.

    A name that exists as it is stays. Otherwise backslashes count as slashes, and a file whose name differs in its Unicode
    form (composed or decomposed) or only by case is taken if there is one such file. Last, the one recording below the
    folder that has this name, with or without its suffix, is taken.

    Args:
        utterances: The column ``audio`` as the table has it, without surrounding blanks.
        folder: The folder that relative names start from.

    Returns:
        The utterances with resolved ``audio``, without those at other URLs and those that may be several recordings;
        both as rejects; and notes.
    """
    finder = _Finder(folder)
    names = utterances["audio"].drop_nulls().unique()
    paths = {name: finder.find(name) for name in names if not _is_foreign(name)}
    found, ambiguous = _below(folder, paths)
    paths |= found
    is_foreign = pl.col("audio").is_in([name for name in names if name not in paths])
    rejects = rejected(
        utterances.filter(is_foreign),
        "audio is at a URL that is not read",
        pl.format("{}: download it and name the file, or copy it to s3://", "audio"),
    )
    is_ambiguous = pl.col("audio").is_in(list(ambiguous))
    several = utterances.filter(is_ambiguous)
    detail = pl.col("audio").replace_strict(ambiguous, default=None, return_dtype=pl.String)
    rejects = pl.concat([rejects, rejected(several, "audio name fits several recordings", detail)])
    kept = utterances.filter(~(is_foreign | is_ambiguous).fill_null(value=False))
    notes = []
    if found:
        name, path = min(found.items())
        notes.append(
            f"{len(found)} audio names are those of recordings below the folder, such as {name!r}: "
            f"{os.path.relpath(path, folder)}"
        )
    resolved = pl.col("audio").replace_strict(paths, default=None, return_dtype=pl.String)
    return kept.with_columns(resolved), rejects, notes


def _below(folder: Path, paths: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Look for names that are no files among the recordings below a folder: the paths found, and names that fit several."""
    missing = {
        name: path for name, path in paths.items() if not is_object_url(path) and not os.path.lexists(path)
    }
    path_of: dict[str, str] = {}
    ambiguous: dict[str, str] = {}
    recordings = recordings_below(folder) if missing else {}
    for name in missing:
        candidates = recordings.get(plain_name(name), ())
        end = name.replace("\\", "/").removeprefix("./").casefold()
        if end.endswith(AUDIO_SUFFIXES):
            candidates = tuple(each for each in candidates if Path(each).name.casefold() == Path(end).name)
        elif "/" in end:
            candidates = tuple(each for each in candidates if each.casefold().startswith(f"{end}."))
        if len(candidates) == 1:
            path_of[name] = str(folder / candidates[0])
        elif candidates:
            ambiguous[name] = f"{name}: {', '.join(candidates[:5])}; name one with its folder and suffix"
    return path_of, ambiguous


def with_audio(utterances: pl.DataFrame) -> pl.DataFrame:
    """The utterances whose recordings may be there: URLs, and files that exist; all where none does.

    Args:
        utterances: As ``resolve_audio`` returns them.
    """
    names = utterances["audio"].unique().drop_nulls()
    there = [name for name in names if is_object_url(name) or os.path.lexists(name)]
    found = utterances.filter(pl.col("audio").is_in(there))
    return found if found.height else utterances


def outside_root(audio: Iterable[str | None], root: Path) -> list[bool]:
    """Tell which audio files a corpus names outside its folder. The folder may hold links; ``..`` behind one leads outside.

    Args:
        audio: Paths and URLs.
        root: The corpus's folder, or a file in it.

    Returns:
        True where a path is not below the folder; URLs are never outside.
    """
    folder = root if root.is_dir() else root.parent
    roots = tuple(
        f"{each.rstrip(os.sep)}{os.sep}" for each in sorted({absolute_path(folder), os.path.realpath(folder)})
    )
    resolved: dict[str, str] = {}
    return [
        name is not None and not is_object_url(name) and not absolute_path(name, resolved).startswith(roots)
        for name in audio
    ]


def absolute_path(name: str | Path, resolved: dict[str, str] | None = None) -> str:
    """An absolute path without ``..``, of the file that the system opens: links are followed where ``..`` comes after.

    Args:
        name: A path.
        resolved: What earlier calls resolved, for tables that name many files in the same folders.

    Returns:
        The path; other links stay in it.
    """
    text = os.fspath(name)
    last = _PARENT.match(text)
    if last is None:
        return os.path.abspath(text)  # noqa: PTH100 - Path.resolve follows links
    known = {} if resolved is None else resolved
    folder = last[0]
    if folder not in known:
        try:
            known[folder] = os.path.realpath(folder)
        except ValueError:  # a NUL, which no file has
            known[folder] = os.path.abspath(folder)  # noqa: PTH100
    return os.path.abspath(os.path.join(known[folder], text[last.end() :].lstrip("/")))  # noqa: PTH100, PTH118


def _is_foreign(name: str) -> bool:
    """Whether a name is a URL other than s3:// and file://."""
    scheme = _URL.match(name)
    return scheme is not None and scheme[0].lower() not in ("s3://", "file://")


class _Finder:
    """Finds files by name; lists each folder once."""

    def __init__(self, folder: Path) -> None:
        self._prefix = "" if folder == Path() else f"{folder}/"
        self._entries: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str:
        """Resolve one name; what is not found is returned as it would be."""
        if name[:5].lower() == "s3://":
            return f"s3://{name[5:]}"
        if name[:7].lower() == "file://":
            name = unquote(urlsplit(name).path)
            name = name[1:] if _WINDOWS_DRIVE.match(name[1:]) else name
        path = self._in_folder(name)
        if os.path.lexists(path):
            return path
        if name.startswith("~"):
            path = os.path.expanduser(name)  # noqa: PTH111 - Path raises where there is no such user
        elif "\\" in name:
            path = self._in_folder(name.replace("\\", "/"))
        return path if os.path.lexists(path) else self._similar(path) or path

    def _in_folder(self, name: str) -> str:
        is_absolute = name.startswith("/") or _WINDOWS_DRIVE.match(name)
        return name if is_absolute else self._prefix + name.removeprefix("./")

    def _similar(self, path: str) -> str | None:
        """The one file whose name is the same but for its Unicode form or its case."""
        missing: list[str] = []  # names, the last one first; a name may have thousands of folders
        folder = path
        while not missing or (folder and not os.path.lexists(folder)):
            above, name = os.path.split(folder)
            if not name or above == folder:
                return None
            missing.append(name)
            folder = above
        for name in reversed(missing):
            place = os.path.join(folder, name)  # noqa: PTH118
            if not os.path.lexists(place):
                candidates = self._listed(folder).get(_plain(name), [])
                same_case = [each for each in candidates if _composed(each) == _composed(name)]
                matching = same_case or candidates
                if len(matching) != 1:
                    return None
                place = os.path.join(folder, matching[0])  # noqa: PTH118
            folder = place
        return folder

    def _listed(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._entries:
            entries: dict[str, list[str]] = {}
            try:
                for entry in sorted(os.listdir(folder or ".")):  # noqa: PTH208 - names only
                    entries.setdefault(_plain(entry), []).append(entry)
            except (OSError, ValueError):
                pass
            self._entries[folder] = entries
        return self._entries[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    return _composed(_composed(name).casefold())
