"""What an ALM is: a checkpoint at a pinned revision, or a local folder, and what prompting it takes.

Each file in models/alms/ holds one ``Alm``; the file name is its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
class ResolvedAlm:
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
