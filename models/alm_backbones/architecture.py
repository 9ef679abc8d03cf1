"""An ALM opened up: how a recording becomes embeddings, and a prompt tokens.

Most ALMs of transformers share an architecture: ``get_audio_features`` gives what stands at the places of the audio
token in the language model's input. Where one differs, models/alm_backbones/architectures/ has a file of its
``model_type`` with a class ``ModelArchitecture``; nothing else is edited.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pkgutil import iter_modules
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import Alm
from ambivox.models.prompting.chat import Chat

Recordings = Sequence[NDArray[np.float32]]


class Architecture:
    """An ALM as transformers loaded it, all of it frozen.

    Args:
        model: the class that generates text; its parts stay the same objects when peft wraps it.
        processor: of audio and text.
        alm: what models/alms/ says of it.
    """

    # Lines of the README of a trained model: from ``samples`` and ``transcript`` to ``inputs``.
    reading = """    text = PROMPT.replace("TRANSCRIPT", transcript)
    inputs = processor(text=text, audio=[samples], audio_kwargs={"sampling_rate": 16_000}, return_tensors="pt")"""

    def __init__(self, model: Any, processor: Any, alm: Alm) -> None:
        self.model = model
        self.processor = processor
        self.alm = alm
        if not hasattr(model, "model") or not hasattr(model.model, "language_model"):
            raise UserError(
                f"{type(model).__name__} cannot be fine-tuned: no language model was found inside it"
            )

    @property
    def language_model(self) -> Any:
        """The language model without its output layer."""
        return self.model.model.language_model

    @property
    def hearing(self) -> list[Any]:
        """The modules in front of the language model: the audio tower and its like."""
        return [part for part in self.model.model.children() if part is not self.language_model]

    @property
    def device(self) -> torch.device:
        """Where recordings are heard."""
        found: torch.device = next(value for part in self.hearing for value in part.parameters()).device
        return found

    @property
    def audio_token_id(self) -> int:
        """The token whose places the audio takes."""
        config = self.model.config
        found = getattr(config, "audio_token_id", None)
        return int(config.audio_token_index if found is None else found)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Strings that a transcript must not bring along."""
        return Chat(self.processor).special_tokens

    def prompt(self, messages: list[dict[str, Any]]) -> str:
        """The prompt as text, with the ALM's own markup."""
        text: str = self.processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, **self.alm.chat_arguments
        )
        return text

    def prompt_ids(self, messages: list[dict[str, Any]], audio_tokens: int) -> list[int]:
        """The prompt's token ids, the audio token repeated ``audio_tokens`` times."""
        ids: list[int] = self.processor.tokenizer(self.prompt(messages), add_special_tokens=False)[
            "input_ids"
        ]
        places = [place for place, token in enumerate(ids) if token == self.audio_token_id]
        if len(places) != 1:
            raise UserError(
                f"the ALM's chat template gives {len(places)} audio tokens; exactly one was expected"
            )
        return ids[: places[0]] + [self.audio_token_id] * audio_tokens + ids[places[0] + 1 :]

    def code_ids(self, messages: list[dict[str, Any]], codes: str) -> list[int]:
        """The token of each answer code after this prompt."""
        chat = Chat(self.processor, dict(self.alm.chat_arguments))
        return chat.code_ids(codes, self.prompt(messages))

    @torch.no_grad()
    def audio_states(self, recordings: Recordings) -> list[Tensor]:
        """What the frozen part of the ALM says of each recording, (audio tokens, width); it is kept on disk.

        Recordings are cut at the ALM's longest.
        """
        most = int(self.alm.longest_seconds * self.alm.rate_hz)
        text = self.prompt(
            [{"role": "user", "content": [{"type": "audio", "audio": ""}, {"type": "text", "text": ""}]}]
        )
        inputs = self.processor(
            text=[text] * len(recordings),
            audio=[recording[:most] for recording in recordings],
            audio_kwargs={"sampling_rate": self.alm.rate_hz},
            text_kwargs={"padding": True},
            return_tensors="pt",
        )
        places = (inputs["input_ids"] == self.audio_token_id).sum(dim=-1).tolist()
        taken = {
            name: inputs[name].to(self.device)
            for name in inspect.signature(self.model.get_audio_features).parameters
            if name in inputs
        }
        taken["input_features"] = taken["input_features"].to(self.model.dtype)
        heard_XD = self.model.get_audio_features(**taken).pooler_output
        if len(heard_XD) != sum(places):
            raise UserError(
                f"the ALM gives {len(heard_XD)} audio embeddings for {sum(places)} places in its prompts"
            )
        return list(heard_XD.split(places))

    def embed(self, audio_XD: Tensor) -> Tensor:
        """``audio_states`` as the language model takes them in, (X, width of its embeddings)."""
        return audio_XD


def architecture_of(model: Any, processor: Any, alm: Alm) -> Architecture:
    """The architecture of a loaded ALM: its ``model_type``'s own, or the common one.

    Raises:
        UserError: neither fits.
    """
    from importlib import import_module

    from ambivox.models.alm_backbones import architectures

    model_type = str(model.config.model_type)
    if model_type in {found.name for found in iter_modules(architectures.__path__)}:
        own: Architecture = import_module(f"{architectures.__name__}.{model_type}").ModelArchitecture(
            model, processor, alm
        )
        return own
    if not hasattr(model, "get_audio_features"):
        raise UserError(
            f"{type(model).__name__} cannot be fine-tuned: it has no get_audio_features, and "
            f"models/alm_backbones/architectures/ has no file {model_type}.py"
        )
    return Architecture(model, processor, alm)
