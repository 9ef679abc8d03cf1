"""The parts of an ALM: how a recording becomes audio embeddings, and a prompt becomes token ids.

Most ALMs in transformers share an architecture: ``get_audio_features`` returns the embeddings that replace the audio
tokens in the language model's input. An ALM that differs has a file named after its ``model_type`` in
models/alm_backbones/architectures/, with a class ``ModelArchitecture``; nothing else is edited.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import Alm
from ambivox.models.prompting.chat import Chat
from ambivox.models.prompting.template import apply_template
from ambivox.models.registry import find, keys

Recordings = Sequence[NDArray[np.float32]]


class Architecture:
    """An ALM as transformers loaded it, with all parameters frozen."""

    # Code for the README of a fine-tuned model: it turns ``samples`` and ``transcript`` into ``inputs``.
    input_code = """    text = PROMPT.replace("TRANSCRIPT", transcript)
    inputs = processor(text=text, audio=[samples], audio_kwargs={"sampling_rate": 16_000}, return_tensors="pt")"""

    def __init__(self, model: Any, processor: Any, alm: Alm) -> None:
        """Wrap a loaded ALM.

        Args:
            model: The class that generates text. Its modules stay the same objects when peft wraps it.
            processor: The ALM's processor of audio and text.
            alm: The ALM's entry in models/alms/.

        Raises:
            UserError: The model contains no language model.
        """
        self.model = model
        self.processor = processor
        self.alm = alm
        if not hasattr(model, "model") or not hasattr(model.model, "language_model"):
            raise UserError(
                f"{type(model).__name__} cannot be fine-tuned: it contains no language model "
                "(expected the attribute model.language_model); choose another ALM"
            )

    @property
    def language_model(self) -> Any:
        """The language model without its output layer."""
        return self.model.model.language_model

    @property
    def audio_modules(self) -> list[Any]:
        """The modules before the language model, such as the audio tower and the projector."""
        return [module for module in self.model.model.children() if module is not self.language_model]

    @property
    def device(self) -> torch.device:
        """The device of the audio modules."""
        parameters = (value for module in self.audio_modules for value in module.parameters())
        device: torch.device = next(parameters).device
        return device

    @property
    def audio_token_id(self) -> int:
        """The token whose embeddings are replaced by audio embeddings."""
        config = self.model.config
        token_id = getattr(config, "audio_token_id", None)
        return int(config.audio_token_index if token_id is None else token_id)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Strings that are removed from transcripts."""
        return Chat(self.processor).special_tokens

    def prompt(self, messages: list[dict[str, Any]]) -> str:
        """Render messages as text, with the ALM's own chat markup."""
        return apply_template(self.processor, messages, self.alm.chat_arguments)

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """Tokenise messages; the audio token is repeated ``audio_tokens`` times.

        Raises:
            UserError: The chat template does not contain exactly one audio token.
        """
        ids: list[int] = self.processor.tokenizer(self.prompt(messages), add_special_tokens=False)[
            "input_ids"
        ]
        positions = [position for position, token in enumerate(ids) if token == self.audio_token_id]
        if len(positions) != 1:
            raise UserError(
                f"the ALM's chat template gives {len(positions)} audio tokens, expected exactly 1; "
                "choose another ALM, or add its model type to models/alm_backbones/architectures/"
            )
        before, after = ids[: positions[0]], ids[positions[0] + 1 :]
        return before + [self.audio_token_id] * audio_tokens + after

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:
        """The token id of each answer code after this prompt."""
        chat = Chat(self.processor, dict(self.alm.chat_arguments))
        return chat.code_ids(codes, self.prompt(messages))

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """Compute the output of the frozen audio modules that is cached on disk.

        Args:
            recordings: Mono samples at the ALM's rate. Each is cut at the ALM's longest duration.

        Returns:
            One tensor of shape (audio tokens, width) per recording.

        Raises:
            UserError: The number of audio embeddings is not that of the audio tokens in the prompts.
        """
        max_samples = int(self.alm.longest_seconds * self.alm.rate_hz)
        text = self.prompt(
            [{"role": "user", "content": [{"type": "audio", "audio": ""}, {"type": "text", "text": ""}]}]
        )
        inputs = self.processor(
            text=[text] * len(recordings),
            audio=[recording[:max_samples] for recording in recordings],
            audio_kwargs={"sampling_rate": self.alm.rate_hz},
            text_kwargs={"padding": True},
            return_tensors="pt",
        )
        audio_tokens = (inputs["input_ids"] == self.audio_token_id).sum(dim=-1).tolist()
        arguments = {
            name: inputs[name].to(self.device)
            for name in inspect.signature(self.model.get_audio_features).parameters
            if name in inputs
        }
        arguments["input_features"] = arguments["input_features"].to(self.model.dtype)
        audio_XD = self.model.get_audio_features(**arguments).pooler_output
        if len(audio_XD) != sum(audio_tokens):
            raise UserError(
                f"the ALM gives {len(audio_XD)} audio embeddings, expected {sum(audio_tokens)}, one per audio "
                "token; add its model type to models/alm_backbones/architectures/"
            )
        return list(audio_XD.split(audio_tokens))

    def embed(self, audio_XD: Tensor) -> Tensor:
        """Project ``audio_states`` to the language model's input, (audio tokens, embedding width)."""
        return audio_XD


def find_architecture(model: Any, processor: Any, alm: Alm) -> Architecture:
    """Find the architecture class of a loaded ALM: the one for its ``model_type``, else the common one.

    Args:
        model: An ALM that transformers loaded.
        processor: Its processor.
        alm: Its entry in models/alms/.

    Returns:
        The architecture around the model.

    Raises:
        UserError: No architecture fits.
    """
    from ambivox.models.alm_backbones import architectures

    model_type = str(model.config.model_type)
    if model_type in keys(architectures):
        module = find(architectures, model_type, "architecture")
        architecture: Architecture = module.ModelArchitecture(model, processor, alm)
        return architecture
    if not hasattr(model, "get_audio_features"):
        raise UserError(
            f"{type(model).__name__} cannot be fine-tuned: it has no get_audio_features; "
            f"choose another ALM, or add models/alm_backbones/architectures/{model_type}.py"
        )
    return Architecture(model, processor, alm)
