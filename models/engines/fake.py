"""An engine without a model: deterministic answers from the audio's name and the labels, for tests and dry runs.

The answers resemble an annotator's: they depend strongly on the audio, weakly on the persona and on the position of
an option, and they leave some probability to other tokens. The same request always gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ambivox.models.engines import EngineChoice, GenerationSettings, Scores
from ambivox.models.prompting.request import Request

# Standard deviations of the logit's parts: audio and label, persona.
_AUDIO = 1.5
_PERSONA = 0.2
# The logit's advantage of the first option over the last.
_POSITION = 0.1
# The label mass.
_MASS = 0.97


class FakeEngine:
    """See the module. ``scored`` counts the requests that ``score`` has answered."""

    def __init__(self) -> None:
        self.version = version()
        self.scored = 0

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``."""
        rows = [_logprobs(request) for request in requests]
        self.scored += len(rows)
        return Scores(np.array(rows))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``."""
        return [_response(request, setting) for request, setting in zip(requests, settings, strict=True)]

    def close(self) -> None:
        """Do nothing: there are no resources."""


def start(choice: EngineChoice) -> FakeEngine:  # noqa: ARG001 - every engine's signature
    """Create the engine; the ALM is not loaded."""
    return FakeEngine()


def version(choice: EngineChoice | None = None) -> str:  # noqa: ARG001 - every engine's signature
    """The name and the version of the formula."""
    return "fake 1"


def _logprobs(request: Request) -> NDArray[np.float64]:
    prompt = request.prompt
    content = request.audio_name if request.audio is not None else request.transcript or ""
    logits_K = np.array(
        [
            _AUDIO * _normal(content, prompt.labels[label])
            + _PERSONA * _normal(prompt.persona.name, content, prompt.labels[label])
            - _POSITION * position / max(1, len(prompt.order) - 1)
            for position, label in enumerate(prompt.order)
        ]
    )
    return np.asarray(logits_K - np.logaddexp.reduce(logits_K) + np.log(_MASS))


def _response(request: Request, settings: GenerationSettings) -> str:
    scaled_K = _logprobs(request) / (1.0 if settings.schema else max(settings.temperature, 1e-3))
    p_K = np.exp(scaled_K - np.logaddexp.reduce(scaled_K))
    codes = request.prompt.codes
    if settings.schema is not None:
        return json.dumps({code: round(100 * float(p)) for code, p in zip(codes, p_K, strict=False)})
    return codes[int(np.random.default_rng(settings.seed).choice(len(p_K), p=p_K))]


def _normal(*names: str) -> float:
    """A standard normal number that the names determine."""
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8])).standard_normal())
