"""What an ALM is: a checkpoint at a pinned revision, or a local folder, and what prompting it takes.

One file in models/alms/ holds one ``Alm``; the file name is its key. A local folder counts as the ALM whose
architecture its config.json names, and its revision is the hash of what it holds, so that votes of two models
are never mixed up, whatever their folders are called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import UserError, unknown

# What decides an ALM's answers; curves, pictures and read-mes beside them do not.
_DECIDING = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")
_NOT_DECIDING = frozenset(
    {"curves.json", "metrics.json", "training.json", "trainer_state.json", "profile.json"}
)


@dataclass(frozen=True)
class Alm:
    """One audio-language model.

    Attributes:
        checkpoint: the name on the hub, or None for a model that is only ever a local folder.
        revision: the pinned commit of the checkpoint (40 hexadecimal digits), or None with no checkpoint.
        architectures: the names in config.json that make a local folder this ALM.
        licence: what the weights may be used under.
        longest_seconds: the longest clip that the model hears; a longer one is cut into windows or refused.
        rate_hz: the sample rate of its front end.
        chat_arguments: keyword arguments of the chat template (such as to turn thinking off).
        engine_arguments: keyword arguments of vLLM beyond the common ones.
        transformers_class: the class in transformers that generates text.
        checked: how far the ALM was run by this project's tests.
        processor_class: the class in transformers that prepares audio and text, where the ALM's own would ask
            for vision libraries that nothing here needs.
        widest: where set, a local folder is this ALM only if its language model is at most this wide.
    """

    checkpoint: str | None
    revision: str | None
    architectures: tuple[str, ...]
    licence: str
    transformers_class: str
    checked: str
    longest_seconds: float = 30.0
    rate_hz: int = 16_000
    chat_arguments: Mapping[str, Any] = field(default_factory=dict)
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    widest: int | None = None
    processor_class: str = "AutoProcessor"

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a model folder with this config.json is this ALM."""
        if not set(config.get("architectures") or ()) & set(self.architectures):
            return False
        width = (config.get("text_config") or {}).get("hidden_size", 0)
        return self.widest is None or width <= self.widest


@dataclass(frozen=True)
class Resolved:
    """An ALM that can be loaded.

    ``name`` stands in the annotations table; ``source`` is a folder or the checkpoint's name on the hub.
    """

    key: str
    name: str
    revision: str
    source: str
    alm: Alm

    @property
    def is_local(self) -> bool:
        """Whether ``source`` is a folder."""
        return Path(self.source).is_dir()


def resolve(alm: str) -> Resolved:
    """An ALM by its key in models/alms/, by a local folder, or by a text file that names one of the two.

    The text file is how the pipeline notes which ALM annotates a corpus (``data/<corpus>/alm``).

    Raises:
        UserError: neither a key nor a folder, a folder without a readable config.json, or of an architecture
            that no file in models/alms/ knows.
    """
    if Path(alm).is_file():
        alm = Path(alm).read_text(encoding="utf-8").strip()
    if not Path(alm).is_dir():
        found = alms().get(alm)
        if found is None:
            raise unknown("ALM (a key or a local folder)", alm, alms())
        if found.checkpoint is None or found.revision is None:
            raise UserError(
                f"the ALM {alm!r} has no published weights; train it and give its folder as --alm"
            )
        return Resolved(alm, alm, found.revision, found.checkpoint, found)
    folder = Path(alm)
    config = _config(folder)
    # The more particular description first.
    for key, candidate in sorted(alms().items(), key=lambda item: item[1].widest is None):
        if candidate.describes(config):
            return Resolved(key, key, revision_of(folder), str(folder), candidate)
    architectures = config.get("architectures") or ["none"]
    raise UserError(
        f"{folder / 'config.json'}: no ALM here has the architecture {', '.join(map(str, architectures))}; "
        f"known: {', '.join(sorted({a for candidate in alms().values() for a in candidate.architectures}))}"
    )


def alms() -> dict[str, Alm]:
    """Every ALM in models/alms/, by key."""
    from models import alms as package
    from models.registry import find, keys

    return {key: find(package, key, "ALM").ALM for key in keys(package)}


def revision_of(folder: Path) -> str:
    """The hash of a model folder's weights, configuration, tokenizer and template (16 hexadecimal digits).

    Raises:
        UserError: there are no weights in it.
    """
    files = sorted(
        {f for pattern in _DECIDING for f in folder.glob(pattern) if f.name not in _NOT_DECIDING},
        key=lambda file: file.name,
    )
    if not any(file.suffix == ".safetensors" for file in files):
        raise UserError(f"{folder}: no *.safetensors weights there")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(f"{file.name}:{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: not a model folder, its config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{folder / 'config.json'}: expected a JSON object, found {type(config).__name__}")
    return config
