"""The engine that needs no model: seeded answers out of the audio and the labels, for tests and dry runs.

Its answers behave like an annotator's: they depend on what is heard, hardly on the persona, a little on the
position of an option, and leave some probability to other tokens. The same request gives the same answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ambivox.models.engines import EngineChoice, Writing
from ambivox.models.prompting.request import Request

_HEARING = 1.5  # standard deviation of the logit that audio and label give
_PERSONA = 0.2
_POSITION = 0.1  # the first option's advantage over the last
_MASS = 0.97


class FakeEngine:
    """See the module."""

    def __init__(self) -> None:
        self.version = version()
        self.asked = 0

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """As ``Engine.score``."""
        rows = [_logprobs(request) for request in requests]
        self.asked += len(rows)
        return np.array(rows)

    def generate(self, requests: Sequence[Request], writings: Sequence[Writing]) -> list[str]:
        """As ``Engine.generate``."""
        return [_write(request, writing) for request, writing in zip(requests, writings, strict=True)]

    def close(self) -> None:
        """Nothing to free."""


def start(choice: EngineChoice) -> FakeEngine:  # noqa: ARG001
    """The engine; the ALM is not loaded."""
    return FakeEngine()


def version(choice: EngineChoice | None = None) -> str:  # noqa: ARG001
    """Its name and the version of its formula."""
    return "fake 1"


def _logprobs(request: Request) -> NDArray[np.float64]:
    prompt = request.prompt
    heard = request.audio_name if request.audio is not None else request.transcript or ""
    logits = np.array(
        [
            _HEARING * _normal(heard, prompt.labels[label])
            + _PERSONA * _normal(prompt.persona.name, heard, prompt.labels[label])
            - _POSITION * position / max(1, len(prompt.order) - 1)
            for position, label in enumerate(prompt.order)
        ]
    )
    return np.asarray(logits - np.logaddexp.reduce(logits) + np.log(_MASS))


def _write(request: Request, writing: Writing) -> str:
    scaled = _logprobs(request) / (1.0 if writing.schema else max(writing.temperature, 1e-3))
    p_K = np.exp(scaled - np.logaddexp.reduce(scaled))
    codes = request.prompt.codes
    if writing.schema is not None:
        return json.dumps({code: round(100 * float(p)) for code, p in zip(codes, p_K, strict=False)})
    return codes[int(np.random.default_rng(writing.seed).choice(len(p_K), p=p_K))]


def _normal(*names: str) -> float:
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8])).standard_normal())
