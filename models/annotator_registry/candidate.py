"""An ALM that a source offers, and the files of it that are ever downloaded."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Weights as safetensors, and plain text: never a pickle, never code.
DOWNLOADED_FILES = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "README.md")

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 200  # file systems allow 255 bytes


class SourceError(RuntimeError):
    """A source did not answer: a network or server failure. A later attempt may succeed."""


@dataclass(frozen=True)
class Candidate:
    """An ALM at one version.

    Attributes:
        alm: Its name: a hub repository, a folder's name, or the last part of an S3 prefix.
        version: What tells two states of it apart without downloading: the commit on a hub, a digest of the
            ETags on S3, and the revision (models/prompting/model_folder.py) of a folder.
        source: The source that offers it.
        location: A hub repository, a folder, an S3 prefix, or for a hosted ALM what ``--alm`` takes.
        server: The address of a hosted ALM's API; "" for weights.
        prices: US dollars per million text, audio and output tokens of a hosted ALM, where its provider lists them.
        shutdown: The day from which a provider no longer serves it (ISO); "" where none is announced.
    """

    alm: str
    version: str
    source: str
    location: str
    server: str = ""
    prices: tuple[float, ...] = ()
    shutdown: str = ""

    @property
    def is_hosted(self) -> bool:
        """Whether a provider runs it."""
        return bool(self.server)

    @property
    def short_name(self) -> str:
        """Its name in logs and messages: ``Qwen2-Audio-7B-Instruct@3f1c2ab9``."""
        return f"{PurePosixPath(self.alm).name}@{self.version[:8]}"

    @property
    def folder_name(self) -> str:
        """A folder name of its own: ``Qwen--Qwen2-Audio-7B-Instruct-3f1c2ab907de1122``.

        What a source calls its ALM decides no path: characters other than letters, digits, ``-``, ``_`` and ``.`` are
        replaced, and a digest then keeps the names apart.
        """
        given = f"{self.alm.replace('/', '--')}-{self.version[:16]}"
        safe = _UNSAFE.sub("-", given).lstrip(".")[:_LONGEST_NAME]
        digest = hashlib.sha256(f"{self.alm}\0{self.version}".encode("utf-8", "surrogatepass")).hexdigest()
        return safe if safe == given else f"{safe}-{digest[:16]}"


def place_below(folder: Path, name: str) -> Path:
    """The place of a file that a source names, below a folder.

    Args:
        folder: The folder.
        name: The name that the source gives, with ``/`` between its parts.

    Returns:
        A path below ``folder``.

    Raises:
        SourceError: The name leads out of the folder, or no file can have it.
    """
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\\" in part or ":" in part or "\0" in part for part in parts):
        raise SourceError(
            f"a file called {name[:80]!r} leads out of its folder; the source is damaged or hostile"
        )
    if not name.isprintable():
        raise SourceError(
            f"a file called {name[:80]!r} has control characters in its name; the source is damaged or hostile"
        )
    return folder.joinpath(*parts)
