"""The specification of an ALM: a checkpoint at a pinned revision or a local folder, and how it is prompted.

Each file in models/alms/ holds one ``Alm``; the file name is its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.model_folder import ModelConfig


@dataclass(frozen=True)
class Alm:
    """One audio-language model.

    Attributes:
        checkpoint: the name on the hub; None for a model that exists only as a local folder.
        revision: the pinned commit of the checkpoint (40 hexadecimal digits); None without a checkpoint.
        architectures: the architecture names in config.json by which a local folder is recognised.
        licence: the licence of the weights.
        transformers_class: the model class in transformers.
        tested: how far this project's tests run the ALM.
        longest_seconds: the maximum duration of a clip in seconds; longer clips are cut into windows or rejected.
        rate_hz: the sample rate of the audio front end.
        chat_arguments: keyword arguments of the chat template, for example to turn thinking off.
        engine_arguments: keyword arguments of vLLM in addition to the common ones.
        mark: where set, a local folder is recognised only if its config.json says so under ``ambivox_alm``; folders
            that have a mark are no other ALM.
        processor_class: the processor class in transformers. It differs from "AutoProcessor" where the ALM's own
            processor needs vision libraries.
        hosted: where set, the ALM is reached by a provider's API, and the fields about weights do not apply.
    """

    checkpoint: str | None
    revision: str | None
    architectures: tuple[str, ...]
    licence: str
    transformers_class: str
    tested: str
    longest_seconds: float = 30.0
    rate_hz: int = 16_000
    chat_arguments: Mapping[str, Any] = field(default_factory=dict)
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    mark: str | None = None
    processor_class: str = "AutoProcessor"
    hosted: Hosted | None = None

    def matches(self, config: ModelConfig) -> bool:
        """Whether a model folder is this ALM.

        Args:
            config: the folder's configuration.

        Returns:
            True where the architecture and the mark match.
        """
        return bool(set(config.architectures) & set(self.architectures)) and config.ambivox_alm == self.mark


def hosted_alm(hosted: Hosted, *, tested: str, longest_seconds: float = 30.0) -> Alm:
    """The specification of an ALM that is reached by a provider's API.

    Args:
        hosted: how it is reached.
        tested: see ``Alm``.
        longest_seconds: see ``Alm``.

    Raises:
        UserError: a window of that length may be larger than a request may be.
    """
    # 16-bit samples at 16 kHz in base64, and room for the prompt: no clip has to be uploaded before it is asked about.
    megabytes = longest_seconds * 16_000 * 2 * 4 / 3 / 1e6 + 0.1
    if megabytes > hosted.max_request_megabytes:
        raise UserError(
            f"{hosted.model}: a window of {longest_seconds:g} s takes {megabytes:.1f} MB, and a request at most "
            f"{hosted.max_request_megabytes:g} MB; expected a smaller longest_seconds"
        )
    return Alm(
        checkpoint=None,
        revision=None,
        architectures=(),
        licence=f"weights not published; outputs under {hosted.terms or 'the terms of the provider'}",
        transformers_class="",
        tested=tested,
        longest_seconds=longest_seconds,
        hosted=hosted,
    )


@dataclass(frozen=True)
class ResolvedAlm:
    """An ALM that can be loaded.

    Attributes:
        key: the key in models/alms/.
        name: the name in the annotations table.
        revision: the pinned commit, or the hash of a local folder's content.
        source: a local folder, or the name of the checkpoint on the hub.
        alm: the specification.
    """

    key: str
    name: str
    revision: str
    source: str
    alm: Alm

    @property
    def is_local(self) -> bool:
        """Whether ``source`` is a local folder."""
        return Path(self.source).is_dir()
