"""An ALM that a source offers, and the files of it that are ever downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

# Weights as safetensors, and plain text: never a pickle, never code.
DOWNLOADED_FILES = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "README.md")


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
        location: A hub repository, a folder, or an S3 prefix.
    """

    alm: str
    version: str
    source: str
    location: str

    @property
    def short_name(self) -> str:
        """Its name in logs and messages: ``Qwen2-Audio-7B-Instruct@3f1c2ab9``."""
        return f"{PurePosixPath(self.alm).name}@{self.version[:8]}"

    @property
    def folder_name(self) -> str:
        """A folder name of its own: ``Qwen--Qwen2-Audio-7B-Instruct-3f1c2ab907de1122``."""
        return f"{self.alm.replace('/', '--')}-{self.version[:16]}"
