"""The engine of hosted ALMs: prompts become planned requests, which are answered one by one or in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ambivox.models.engines import Engine, GenerationSettings, Refusal, Reply, Scores
from ambivox.models.engines.hosted.asker import Asker
from ambivox.models.engines.hosted.batches import Batches
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.engines.hosted.planned import LETTER_TOKENS, Planned
from ambivox.models.engines.hosted.top_logprobs import code_logprobs
from ambivox.models.errors import UserError
from ambivox.models.parallel import in_parallel
from ambivox.models.prompting.alm_spec import Alm
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.request import Request

T = TypeVar("T")


class HostedEngine:
    """Asks one hosted ALM.

    Args:
        asker: answers requests.
        batches: answers many requests at a lower price; None to ask one by one.
        alm: the specification.
        engine_version: the version string of the engine.
    """

    def __init__(self, asker: Asker, batches: Batches | None, alm: Alm, engine_version: str) -> None:
        self.version = engine_version
        self.asker = asker
        self._batches = batches
        self._alm = alm

    @property
    def hosted(self) -> Hosted:
        """How the endpoint is reached."""
        return self.asker.api.hosted

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``; the probabilities are bounded as in top_logprobs.py.

        Raises:
            UserError: the endpoint returns no log-probabilities.
        """
        rows = self._answers(self._scored, self._planned_scores(requests))
        logprobs_RK = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(rows), -1)
        return Scores(logprobs_RK, tuple(name for _, name in rows))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``."""
        return list(self._answers(self._generated, self._planned_texts(requests, settings)))

    def close(self) -> None:
        """Close the connections and the journal."""
        if self._batches is not None:
            self._batches.close()
        self.asker.close()

    def submitter(self) -> Engine:
        """An engine that submits what it is asked as batches and waits for none; its answers mean nothing.

        The engine itself must have been made with batches.
        """
        assert self._batches is not None
        return _Submitter(self.version, self._batches, self._planned_scores, self._planned_texts)

    def _planned_scores(self, requests: Iterable[Request]) -> Iterator[Planned]:
        parameters: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0, "logprobs": True}
        parameters["top_logprobs"] = min(max(self.hosted.top_logprobs, 1), 20)
        return (Planned(request, parameters, self.hosted, self._alm.rate_hz) for request in requests)

    def _planned_texts(
        self, requests: Sequence[Request], settings: Sequence[GenerationSettings]
    ) -> Iterator[Planned]:
        pairs = zip(requests, settings, strict=True)
        return (
            Planned(request, _parameters(setting), self.hosted, self._alm.rate_hz)
            for request, setting in pairs
        )

    def _answers(self, answer: Callable[[Planned], T], planned: Iterable[Planned]) -> list[T]:
        """The answers in order; those in batches are waited for, as far as batches answer them."""
        if self._batches is not None:
            planned = list(planned)
            self._batches.wait({each.key for each in planned})
        return list(in_parallel((partial(answer, each) for each in planned), MAX_OPEN))

    def _scored(self, planned: Planned) -> tuple[NDArray[np.float64], str]:
        answer, prompt = self.asker.ask(planned), planned.request.prompt
        if not answer.top_logprobs and not answer.refused:
            raise UserError(
                f"{self.hosted.model} returns no usable log-probabilities; use --elicitation sampled or verbalised"
            )
        return code_logprobs(answer.top_logprobs, prompt.codes[: len(prompt.labels)]), answer.model

    def _generated(self, planned: Planned) -> str:
        answer = self.asker.ask(planned)
        return (Refusal if answer.refused else Reply)(answer.text, answer.model)


class _Submitter:
    """See ``HostedEngine.submitter``."""

    def __init__(
        self,
        engine_version: str,
        batches: Batches,
        planned_scores: Callable[[Iterable[Request]], Iterator[Planned]],
        planned_texts: Callable[[Sequence[Request], Sequence[GenerationSettings]], Iterator[Planned]],
    ) -> None:
        self.version = engine_version
        self._batches = batches
        self._planned_scores = planned_scores
        self._planned_texts = planned_texts

    def score(self, requests: Iterable[Request]) -> Scores:
        listed = list(requests)
        self._batches.submit(list(self._planned_scores(listed)))
        labels = len(listed[0].prompt.labels) if listed else 0
        return Scores(np.full((len(listed), labels), -1e3))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        self._batches.submit(list(self._planned_texts(requests, settings)))
        return [Refusal("")] * len(requests)

    def close(self) -> None:
        """Do nothing: the engine stays open."""


def _parameters(setting: GenerationSettings) -> dict[str, Any]:
    """The parameters of a chat completion."""
    tokens = max(setting.max_tokens, LETTER_TOKENS)
    parameters = {"max_tokens": tokens, "temperature": setting.temperature, "seed": setting.seed}
    if setting.schema is None:
        return parameters
    schema = {"name": "distribution", "strict": True, "schema": setting.schema}
    return parameters | {"response_format": {"type": "json_schema", "json_schema": schema}}
