"""The files of a user's table: which are there, and their rows for a proposal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.column_content import Source
from ambivox.models.ingestion.columns import NoNamedTableError
from ambivox.models.ingestion.combined_tables import combine
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.mapping_file import NAME
from ambivox.models.ingestion.reading import SUFFIXES, read_table
from ambivox.models.ingestion.recordings import recordings_below
from ambivox.models.ingestion.table_parts import find_parts, is_pattern
from ambivox.models.ingestion.workbooks import READABLE, UNREADABLE, hidden_sheets, sheet_names
from ambivox.models.progress import track
from ambivox.models.regular_files import NotFetchedError

# What a header most likely resembles, while nothing is known about it.
TYPICAL = ("utterance_id", "audio", "annotator_id", "label", "speaker", "transcript")
_MOST_FILES = 2000
_LABEL_FILES = (".textgrid", ".eaf", ".aup3")  # Praat, ELAN, Audacity
_SHOWN_FILES = 3


class FoundTables(NamedTuple):
    """The tables of a folder, and what was left out of it.

    Attributes:
        sources: The tables, in the order of their names, those with the same columns as one.
        notes: One for all files that are not readable as a table; none where all are.
    """

    sources: list[Source]
    notes: list[str]


def find_tables(root: Path, settings: Mapping[str, Any]) -> tuple[Path, Path]:
    """Find the tables of utterances and of votes.

    Args:
        root: The folder with the tables, or the table of utterances.
        settings: Options by name; ``utterances`` and ``votes`` name files.

    Returns:
        The table of utterances and that of votes, which may be the same.

    Raises:
        NoNamedTableError: There is no such file in the folder, and none is named.
        UserError: There is no such folder.
    """
    folder = root if root.is_dir() else root.parent
    if root.is_dir():
        path = _path(folder, "utterances", settings)
        if path is None:
            raise NoNamedTableError(
                f"{root}: no utterances.csv there (or .tsv, .jsonl, .json, .parquet, .xlsx, ...); name the table with "
                "--options.utterances FILE"
            )
    elif root.exists():
        path = root
    else:
        raise UserError(f"{root}: no such file or folder")
    return path, _path(folder, "votes", settings) or path


def find_speakers(root: Path, settings: Mapping[str, Any]) -> Path | None:
    """Find the table of speakers.

    Args:
        root: The folder with the tables, or the table of utterances.
        settings: Options by name; ``speakers`` names the file.

    Returns:
        The table; None where there is none.

    Raises:
        UserError: The named file is not there.
    """
    path = _path(root if root.is_dir() else root.parent, "speakers", settings)
    if path is not None and not path.is_file():
        raise UserError(f"{path}: no such file (option speakers)")
    return None if path == root else path


def _path(folder: Path, stem: str, settings: Mapping[str, Any]) -> Path | None:
    if stem in settings:
        return folder / str(settings[stem])
    candidates = (folder / f"{stem}{suffix}" for suffix in (*SUFFIXES, *UNREADABLE))
    return next((path for path in candidates if path.is_file()), None)


def list_sources(root: Path, settings: Mapping[str, Any]) -> FoundTables:
    """Read all tables that may hold the utterances or the votes.

    Args:
        root: The folder with the tables, or the table of utterances.
        settings: Options by name; files and sheets that they name are the only ones.

    Returns:
        The tables; files that are not readable as a table are left out and named in a note.

    Raises:
        UserError: A file that the user named cannot be read, or none of the folder's, or one is a pointer of git-lfs.
    """
    files, named = _files(root, settings)
    sources = []
    errors: dict[Path, UserError] = {}
    paths = list(dict.fromkeys(part.path for file in files for part in find_parts(file, None)))
    for path in track(paths, "Tables"):
        try:
            sources += _sources(path, settings, is_listed=root.is_dir() or path != root)
        except UserError as error:
            # A table that was not fetched may be the one with the votes, or a part of it.
            if path in named or isinstance(error, NotFetchedError):
                raise
            errors[path] = error
    if errors and not sources:
        raise next(iter(errors.values()))
    combined = combine(sources, {path for path in named if not is_pattern(path)})
    return FoundTables(combined, _left_out(errors))


def _files(root: Path, settings: Mapping[str, Any]) -> tuple[list[Path], list[Path]]:
    """The files that may be tables, or patterns of them, and those that the user named."""
    if not root.is_dir():
        named = [root, *([root.parent / str(settings["votes"])] if "votes" in settings else [])]
        return named, named
    named = [root / str(settings[option]) for option in ("utterances", "votes") if option in settings]
    if len(named) == 2:
        return named, named
    listed = sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name != NAME and not path.name.startswith((".", "~$"))
    )
    return listed[:_MOST_FILES], named


def _left_out(errors: Mapping[Path, UserError]) -> list[str]:
    """One note that names the files which are no readable tables, and why."""
    if not errors:
        return []
    # Messages begin with the path of their file, whose folder is known.
    reasons = [
        str(error).removeprefix(f"{path.parent.resolve()}/").removeprefix(f"{path.parent}/")
        for path, error in list(errors.items())[:_SHOWN_FILES]
    ]
    reasons += [f"and {len(errors) - _SHOWN_FILES:,} more"] if len(errors) > _SHOWN_FILES else []
    return [f"{counted(len(errors), 'file is', 'files are')} left out as not readable ({'; '.join(reasons)})"]


def no_table(root: Path) -> UserError:
    """Make the error where there is no table with rows: tables without rows, or those of folders below.

    Args:
        root: The folder, or a file.
    """
    files = [root] if root.is_file() else sorted(path for path in root.iterdir() if path.is_file())
    if hidden := hidden_sheets_hint(files):
        return UserError(f"{root}: no rows below a header, except in {hidden}")
    if headers := [path.name for path in files if path.suffix.lower() in SUFFIXES]:
        return UserError(
            f"{root}: no rows below the header of {', '.join(headers[:4])}; expected one row per vote or per utterance (the "
            "label tracks of Audacity and Praat are not read: write such a table of them)"
        )
    below = sorted(
        path.relative_to(root).as_posix() for path in root.glob("*/*") if path.suffix.lower() in SUFFIXES
    )
    hint = f"; below it are {', '.join(below[:4])}: name one of them" if below else _without_table(root)
    return UserError(f"{root}: no table (CSV, TSV, JSONL, JSON, Parquet, workbook) is there{hint}")


def hidden_sheets_hint(files: Iterable[Path]) -> str:
    """Name the hidden sheets of workbooks, which are not read, and what to do; empty where there are none.

    Args:
        files: Any tables.
    """
    hidden = [
        (path, name)
        for path in dict.fromkeys(files)
        if path.suffix.lower() in READABLE and path.is_file()
        for name in hidden_sheets(path)
    ]
    if not hidden:
        return ""
    names = ", ".join(f"{name!r} of {path.name}" for path, name in hidden[:3])
    sheet = shlex.quote(hidden[0][1])
    return (
        f"hidden sheets, which are not read ({names}): show the sheet in the spreadsheet program, or name it: --options.sheet "
        f"{sheet} or --options.votes_sheet {sheet}"
    )


def _without_table(root: Path) -> str:
    """What is in a folder without a table: recordings, and label files of other programs."""
    recordings = sum(map(len, recordings_below(root).values()))
    labels = next((path for path in sorted(root.rglob("*")) if path.suffix.lower() in _LABEL_FILES), None)
    found = [f"{recordings} recording{'s' if recordings > 1 else ''}"] if recordings else []
    found += [f"label files such as {labels.name}, which are not read"] if labels else []
    if not found:
        return ""
    return (
        f", only {' and '.join(found)}; write one with a row per vote and the columns audio,annotator,label"
    )


def _sources(path: Path, settings: Mapping[str, Any], *, is_listed: bool) -> list[Source]:
    """A file's tables: its sheets, in a workbook; hidden ones where they are named."""
    sheets: list[str | None] = [None]
    if path.suffix.lower() in READABLE:
        named = {settings.get("sheet"), settings.get("votes_sheet")}
        sheets = [*sheet_names(path), *(name for name in hidden_sheets(path) if name in named)]
    sources = []
    for sheet in sheets:
        try:
            frame = read_table(path, (), resembling=TYPICAL, sheet=sheet).drop(LINE)
        except UserError:
            if len(sheets) == 1 and not hidden_sheets_hint([path]):
                raise
            continue  # an empty sheet, or one that is no table
        if frame.height:
            sources.append(Source(path, frame, sheet if len(sheets) > 1 else None, is_listed))
    return sources
