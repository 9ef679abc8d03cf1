"""Engines that run an ALM: one file each; the file name is the key.

An engine answers requests: ``score`` gives the probability of each code as the next token, from one forward
pass; ``generate`` lets the model write. What is asked and what the answers mean is models/annotation/elicitation.py's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ambivox.models.errors import MissingExtraError
from ambivox.models.prompting.request import Request


@dataclass(frozen=True)
class Writing:
    """How one answer is written.

    ``choices``: the answer is one of these codes. ``schema``: the answer is JSON of this schema. ``seed``
    makes it reproducible; temperature 0 is greedy.
    """

    temperature: float
    seed: int
    max_tokens: int
    choices: str = ""
    schema: dict[str, Any] | None = None


class Engine(Protocol):
    """What every engine does.

    ``version`` names the engine, its version and what else changes its numbers (precision): part of the key
    under which answers are stored.
    """

    version: str

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """Natural-log probabilities of the first K codes as the next token, (requests, K), in code order.

        They are those of the whole vocabulary: their exponentials sum to the label mass, at most 1.
        """
        ...

    def generate(self, requests: Sequence[Request], writings: Sequence[Writing]) -> list[str]:
        """The text that the model writes after each request."""
        ...

    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards."""
        ...


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs which ALM, and where its server is: all that starting one takes.

    ``alm`` is a key in models/alms/ or a local folder. ``url`` and ``patience_seconds`` (for how long a server
    may give no answer at all) are for the engine "server".
    """

    engine: str
    alm: str
    url: str = ""
    patience_seconds: float = 300.0


def choose(engine: str) -> str:
    """The engine for "auto": vLLM where it is installed, else transformers; any other is checked to exist.

    Raises:
        UserError: an unknown engine, or neither of the two is installed.
    """
    if engine != "auto":
        _module(engine)
        return engine
    for candidate in ("vllm", "transformers"):
        if importlib.util.find_spec(candidate) is not None:
            return candidate
    raise MissingExtraError("vllm", "cpu")


def engine_version(choice: EngineChoice) -> str:
    """What ``open_engine(choice).version`` will be; the engine is not started for it."""
    version: str = _module(choice.engine).version(choice)
    return version


# One engine a process: a worker that computes many shards starts it once. Another choice takes its place.
_started: dict[EngineChoice, Engine] = {}
_starting = Lock()


def open_engine(choice: EngineChoice) -> Engine:
    """The engine of this choice, started if this process does not hold it already.

    Raises:
        UserError: it cannot be started.
    """
    with _starting:
        if choice not in _started:
            _close()
            _started[choice] = _module(choice.engine).start(choice)
        return _started[choice]


def close_engines() -> None:
    """Close the engine that this process holds, if any."""
    with _starting:
        _close()


def _close() -> None:
    while _started:
        _started.popitem()[1].close()


def _module(engine: str) -> ModuleType:
    from ambivox.models import engines
    from ambivox.models.registry import find

    return find(engines, engine, "engine")
