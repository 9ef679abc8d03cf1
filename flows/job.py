"""The main job on one corpus, as a user asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TINY = "tiny"  # the ALM that is trained on the corpus itself
ALLOW_HOSTED = "allow_hosted"  # in a corpus's entry: whether its recordings may be sent to a provider


@dataclass(frozen=True)
class Job:
    """The main job on one corpus; what was not asked for is None or absent, and stays as it was entered before.

    Attributes:
        key: The corpus's name in params.yaml and data/.
        corpus: Its key in models/corpora/.
        root: The folder or s3:// URL that holds it.
        alm: "tiny", a key in models/alms/, or a model folder; where none was entered before either, "tiny".
        settings: Options by step, as params.yaml holds them.
        trial: Numbers of votes to keep in the sparse-vote trial; empty for no trial.
        sources: Distributions to fine-tune on.
        dime_aug: Fine-tune with DiME-Aug ("on"), without ("off"), or both.
        allow_hosted: Whether the corpus is marked as one whose recordings may be sent to a provider.
    """

    key: str
    corpus: str
    root: Path | None
    alm: str | None
    settings: Mapping[str, Mapping[str, Any]]
    trial: tuple[int, ...] | None
    sources: tuple[str, ...]
    dime_aug: tuple[str, ...]
    allow_hosted: bool = False
