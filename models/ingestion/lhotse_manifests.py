"""lhotse's manifests of recordings and supervisions (lhotse.readthedocs.io), as JSON lines, compressed or not.

A line of a manifest of recordings, and of one of supervisions:

    {"id": "r1", "sources": [{"type": "file", "channels": [0], "source": "audio/r1.wav"}], "sampling_rate": 16000,
     "num_samples": 32000, "duration": 2.0, "channel_ids": [0]}
    {"id": "u1", "recording_id": "r1", "start": 0.0, "duration": 2.0, "channel": 0, "text": "Hi", "speaker": "s1",
     "gender": "female", "custom": {"votes": [{"annotator_id": "r1", "label": "anger"}]}}
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.json_documents import parse_json_document, read_json_document
from ambivox.models.regular_files import check_fetched

_SUFFIXES = (".jsonl", ".jsonl.gz")
_LONGEST_LINE = 1 << 24
_MOST_CHANNELS = 1 << 16


class Source(BaseModel):
    """Where audio is; a ``type`` other than file or url is never followed."""

    model_config = ConfigDict(extra="ignore")
    type: str
    channels: list[int] = Field(default_factory=lambda: [0])
    source: str


class Recording(BaseModel):
    """A recording."""

    model_config = ConfigDict(extra="ignore")
    id: str
    sources: list[Source]
    sampling_rate: int
    duration: float
    transforms: list[Any] | None = None

    def changes(self) -> tuple[str, ...]:
        """The names of the transforms that lhotse would apply to the audio, other than resampling, which every reader does."""
        names = (
            str(each.get("name", each)) if isinstance(each, dict) else str(each)
            for each in self.transforms or ()
        )
        shown = (" ".join(name[:40].split()) for name in names if name != "Resample")
        return tuple(islice(shown, 5))


class Supervision(BaseModel):
    """A segment of a recording, and what is known of it."""

    model_config = ConfigDict(extra="ignore")
    id: str
    recording_id: str
    start: float
    duration: float
    channel: Annotated[int, Field(ge=0, lt=_MOST_CHANNELS)] | list[int] = 0
    text: str | None = None
    language: str | None = None
    speaker: str | None = None
    gender: str | None = None
    custom: dict[str, Any] = Field(default_factory=dict)


class LabelFile(BaseModel):
    """labels.json, which `ambivox export --format lhotse` writes beside the manifests.

    Attributes:
        labels: The label set, in order.
        distributions: Whether supervisions hold distributions.
        ratings: Whether they hold ratings.
    """

    model_config = ConfigDict(extra="ignore")
    labels: tuple[str, ...]
    distributions: bool = False
    ratings: bool = False


_LABELS: TypeAdapter[LabelFile] = TypeAdapter(LabelFile)
_Entry = TypeVar("_Entry", Recording, Supervision)


def manifests(folder: Path, kind: str) -> list[Path]:
    """The manifests of a kind in a folder, such as ``iemocap_recordings_train.jsonl.gz``.

    Args:
        folder: The folder.
        kind: "recordings" or "supervisions".

    Raises:
        UserError: There is none.
    """
    files = sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if kind in path.name and path.name.endswith(_SUFFIXES) and path.is_file()
    )
    if not files and folder.is_dir() and any("cuts" in path.name for path in folder.iterdir()):
        raise UserError(
            f"{folder}: cuts of lhotse, but no manifest of {kind}; cuts are not read: lhotse cut decompose CUTS FOLDER "
            "writes recordings and supervisions"
        )
    if not files:
        raise UserError(
            f"{folder}: no manifest of {kind} here; expected a file such as {kind}.jsonl or {kind}.jsonl.gz"
        )
    return files


def read_recordings(path: Path) -> Iterator[tuple[int, Recording]]:
    """Read a manifest of recordings.

    Args:
        path: The file.

    Yields:
        Line numbers from 1, and recordings.

    Raises:
        UserError: A line is something else; the message names the file and the line.
    """
    return _read(path, TypeAdapter(Recording), "a recording of lhotse's")


def read_supervisions(path: Path) -> Iterator[tuple[int, Supervision]]:
    """Read a manifest of supervisions; see ``read_recordings``."""
    return _read(path, TypeAdapter(Supervision), "a supervision of lhotse's")


def read_labels(folder: Path) -> LabelFile:
    """Read labels.json of a folder.

    Args:
        folder: The folder with the manifests.

    Raises:
        UserError: There is none, or it is something else.
    """
    return read_json_document(
        folder / "labels.json", _LABELS, "the labels of manifests that Ambivox exported"
    )


def _read(path: Path, entry: TypeAdapter[_Entry], expected: str) -> Iterator[tuple[int, _Entry]]:
    check_fetched(path)
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if line.strip():
                    yield number, parse_json_document(line, entry, expected, f"{path}:{number}")
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error_text(error)})") from error
