"""The engine of hosted ALMs: prompts become chat messages, answers come from the journal or from the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models import token_count
from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.api import Api
from ambivox.models.engines.hosted.audio import audio_part
from ambivox.models.engines.hosted.journal import Journal, request_key
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.engines.hosted.same_model import is_same_model
from ambivox.models.engines.hosted.top_logprobs import code_logprobs
from ambivox.models.errors import UserError
from ambivox.models.parallel import in_parallel
from ambivox.models.prompting.alm_spec import Alm
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.request import Request

# A reasoning model needs room before its letter; a short limit gives empty answers.
LETTER_TOKENS = 16
# About; endpoints count them exactly.
CHARACTERS_PER_TOKEN = 4.0


class HostedEngine:
    """Asks one hosted ALM.

    Args:
        api: the connection.
        journal: the paid answers.
        alm: the specification.
        choice: the limit of cost and the model that is expected to answer.
        engine_version: the version string of the engine.
    """

    def __init__(
        self, api: Api, journal: Journal, alm: Alm, choice: EngineChoice, engine_version: str
    ) -> None:
        self.version = engine_version
        self._api = api
        self._journal = journal
        self._alm = alm
        self._choice = choice
        _, self._spent = journal.usage()

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """See ``Engine.score``; the probabilities are bounded as in top_logprobs.py.

        Raises:
            UserError: the endpoint returns no log-probabilities.
        """

        def calls() -> Iterator[Callable[[], NDArray[np.float64]]]:
            for request in requests:
                body = {"max_tokens": 1, "temperature": 0.0, "logprobs": True}
                body["top_logprobs"] = min(max(self._api.hosted.top_logprobs, 1), 20)
                yield partial(self._scored, request, body)

        rows = list(in_parallel(calls(), MAX_OPEN))
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1)

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``."""

        def calls() -> Iterator[Callable[[], str]]:
            for request, setting in zip(requests, settings, strict=True):
                tokens = max(setting.max_tokens, LETTER_TOKENS)
                body: dict[str, Any] = {
                    "max_tokens": tokens,
                    "temperature": setting.temperature,
                    "seed": setting.seed,
                }
                if setting.schema is not None:
                    schema = {"name": "distribution", "strict": True, "schema": setting.schema}
                    body["response_format"] = {"type": "json_schema", "json_schema": schema}
                yield partial(self._generated, request, body)

        return list(in_parallel(calls(), MAX_OPEN))

    def close(self) -> None:
        """Close the connections and the journal."""
        self._api.close()
        self._journal.close()

    def _scored(self, request: Request, body: dict[str, Any]) -> NDArray[np.float64]:
        answer = self._ask(request, body)
        if not answer.top_logprobs and not answer.refused:
            raise UserError(
                f"{self._api.hosted.model} returns no log-probabilities; use --elicitation sampled or verbalised"
            )
        return code_logprobs(answer.top_logprobs, request.prompt.codes[: len(request.prompt.labels)])

    def _generated(self, request: Request, body: dict[str, Any]) -> str:
        answer = self._ask(request, body)
        return Refusal(answer.text) if answer.refused else answer.text

    def _ask(self, request: Request, body: dict[str, Any]) -> Answer:
        """The answer from the journal, or else from the endpoint."""
        hosted, prompt = self._api.hosted, request.prompt
        text = prompt.text(request.transcript)
        has_audio = request.audio is not None
        key = request_key(text, request.audio_name if has_audio else None, prompt.audio_first, body)
        if (known := self._journal.find(key)) is not None:
            return known
        self._check_cost()
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        tokens = len(text) / CHARACTERS_PER_TOKEN
        if request.audio is not None:
            part = audio_part(request.audio, self._alm.rate_hz, hosted)
            content = [part, *content] if prompt.audio_first else [*content, part]
            tokens += len(request.audio) / self._alm.rate_hz * hosted.audio_tokens_per_second
        allowed = {name: value for name, value in body.items() if _is_accepted(name, hosted.parameters)}
        message = {"model": hosted.model, "messages": [{"role": "user", "content": content}]}
        answer = self._api.ask(message | allowed | hosted.extra_parameters, tokens)
        self._check_identity(answer)
        self._journal.add(key, answer, request.audio_name)
        self._spent += answer.usage
        token_count.add(answer.usage.text + answer.usage.audio + answer.usage.output)
        return answer

    def _check_cost(self) -> None:
        cost, limit = self._spent.cost(self._api.hosted.prices), self._choice.max_cost
        if cost is not None and limit is not None and cost >= limit:
            raise UserError(
                f"the limit of {limit:g} USD is reached ({cost:.2f} USD spent on {self._api.hosted.model}); paid answers "
                "are kept; raise --max-cost to go on"
            )

    def _check_identity(self, answer: Answer) -> None:
        expected = self._choice.answered_by or self._api.hosted.model
        if answer.model and not is_same_model(expected, answer.model):
            raise UserError(
                f"asked for {expected}, but {first_shown(answer.model)} answered; paid answers are kept. To use that model "
                f"as a revision of its own, add --answered-by {first_shown(answer.model)}"
            )

    @property
    def hosted(self) -> Hosted:
        """How the endpoint is reached."""
        return self._api.hosted

    def report(self) -> tuple[int, Usage, list[str]]:
        """Answers in the journal, their tokens, and the models that they name."""
        return *self._journal.usage(), self._journal.models()


def first_shown(name: str) -> str:
    """A model's name as it may be printed: printable, without spaces, at most 100 characters.

    Args:
        name: what an endpoint sent.
    """
    return "".join(c for c in name if c.isprintable() and not c.isspace())[:100]


def _is_accepted(name: str, parameters: tuple[str, ...]) -> bool:
    if name == "max_tokens":
        return True  # replaced where the endpoint refuses it
    return name in parameters
