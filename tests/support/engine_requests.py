"""Requests for engine tests: prompts about clips of different lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ambivox.models.engines import Engine
from ambivox.models.prompting.chat import Chat
from ambivox.models.prompting.personas import PAPER, PLACEBO, Persona
from ambivox.models.prompting.prompts import Modality, build_prompts
from ambivox.models.prompting.request import Request
from tests.support.annotation_fixtures import LABELS, SPOKEN, write_clip


def make_samples(folder: Path, number: int, seconds: float = 0.6) -> np.ndarray:
    """The samples of a synthetic clip."""
    path = folder / f"{number}.wav"
    write_clip(path, number, seconds)
    return soundfile.read(path, dtype="float32")[0]


def make_requests(
    folder: Path,
    clips: int = 4,
    modality: Modality = "both",
    orders: int = 2,
    personas: tuple[Persona, ...] = (*PAPER[:2], PLACEBO),
) -> list[Request]:
    """All prompts about some clips, those about a clip adjacent."""
    prompts = build_prompts(LABELS, personas, orders, modality=modality)
    requests = []
    for number in range(clips):
        audio = make_samples(folder, number, 0.4 + 0.5 * number) if modality != "transcript" else None
        name = f"clip{number}-{folder}"
        requests += [Request(prompt, audio, name, SPOKEN[number % len(SPOKEN)]) for prompt in prompts]
    return requests


def probabilities(engine: Engine, requests: list[Request]) -> np.ndarray:
    """The probability of each code, (requests, K)."""
    return np.exp(engine.score(requests).logprobs_RK)


def special_tokens_of(chat: Chat, request: Request) -> list[str]:
    """The special tokens in the rendered prompt, in order."""
    special = set(chat.tokenizer.convert_tokens_to_ids(list(chat.special_tokens)))
    tokens = [token for token in chat.encode(chat.render(request)) if token in special]
    names: list[str] = chat.tokenizer.convert_ids_to_tokens(tokens)
    return names
