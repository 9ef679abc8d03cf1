"""The engine of hosted ALMs: prompts become chat messages, answers come from the journal or from the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models import token_count
from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal, Reply, Scores
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.api import Api
from ambivox.models.engines.hosted.audio import audio_part
from ambivox.models.engines.hosted.journal import Journal, Spent, request_key
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.engines.hosted.meter import Meter
from ambivox.models.engines.hosted.same_model import first_shown, is_same_model, is_snapshot
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
        # A name that moves to another model while a run goes on shows in the dated name of the answers.
        self._snapshot = next(filter(self._is_snapshot, journal.models()), "")
        self._another_model = ""  # the message of the run that stops
        self._clips: frozenset[str] | None = None
        self.meter = Meter(api.hosted.prices, journal.usage().usage)

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``; the probabilities are bounded as in top_logprobs.py.

        Raises:
            UserError: the endpoint returns no log-probabilities.
        """

        def calls() -> Iterator[Callable[[], tuple[NDArray[np.float64], str]]]:
            for request in requests:
                body = {"max_tokens": 1, "temperature": 0.0, "logprobs": True}
                body["top_logprobs"] = min(max(self._api.hosted.top_logprobs, 1), 20)
                yield partial(self._scored, request, body)

        rows = list(in_parallel(calls(), MAX_OPEN))
        logprobs_RK = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(rows), -1)
        return Scores(logprobs_RK, tuple(name for _, name in rows))

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

    def _scored(self, request: Request, body: dict[str, Any]) -> tuple[NDArray[np.float64], str]:
        answer = self._ask(request, body)
        if not answer.top_logprobs and not answer.refused:
            raise UserError(
                f"{self._api.hosted.model} returns no log-probabilities; use --elicitation sampled or verbalised"
            )
        codes = request.prompt.codes[: len(request.prompt.labels)]
        return code_logprobs(answer.top_logprobs, codes), answer.model

    def _generated(self, request: Request, body: dict[str, Any]) -> Reply:
        answer = self._ask(request, body)
        return (Refusal if answer.refused else Reply)(answer.text, answer.model)

    def _ask(self, request: Request, body: dict[str, Any]) -> Answer:
        """The answer from the journal, or else from the endpoint."""
        hosted, prompt = self._api.hosted, request.prompt
        text = prompt.text(request.transcript)
        has_audio = request.audio is not None
        key = request_key(text, request.audio_name if has_audio else None, prompt.audio_first, body)
        if (known := self._journal.find(key)) is not None:
            self.meter.add(None)
            return known
        self.meter.begin()
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        estimate = Usage(text=int(len(text) / CHARACTERS_PER_TOKEN), output=LETTER_TOKENS)
        if request.audio is not None:
            part = audio_part(request.audio, self._alm.rate_hz, hosted)
            content = [part, *content] if prompt.audio_first else [*content, part]
            seconds = len(request.audio) / self._alm.rate_hz
            estimate += Usage(audio=int(seconds * hosted.audio_tokens_per_second))
        allowed = {name: value for name, value in body.items() if _is_accepted(name, hosted.parameters)}
        message = {"model": hosted.model, "messages": [{"role": "user", "content": content}]}
        body = message | allowed | hosted.extra_parameters
        answer = self._api.ask(body, estimate.text + estimate.audio, self._check_may_send)
        if not answer.is_counted:
            answer = replace(answer, usage=estimate)  # so that the limit of cost holds all the same
        self._check_identity(key, answer, request.audio_name)
        self._journal.add(key, answer, request.audio_name)
        self.meter.add(answer.usage)
        token_count.add(answer.usage.text + answer.usage.audio + answer.usage.output)
        return answer

    def _check_may_send(self) -> None:
        """Stop where the limit of cost is reached, or where another model has answered meanwhile."""
        if self._another_model:
            raise UserError(self._another_model)
        cost, limit = self.meter.cost, self._choice.max_cost
        if cost is not None and limit is not None and cost >= limit:
            raise UserError(
                f"the limit of {limit:g} USD is reached ({cost:.2f} USD spent on {self._api.hosted.model}); paid answers "
                "are kept; raise --max-cost to go on"
            )

    def _check_identity(self, key: str, answer: Answer, audio_name: str) -> None:
        """Stop where another model answered than the one asked for, or than the one that answered before.

        The answer is kept among those of the other model, so that a run that expects it does not pay again.
        """
        asked = self._choice.answered_by or self._api.hosted.model
        if self._is_snapshot(answer.model):
            self._snapshot = self._snapshot or answer.model
        expected = self._snapshot if self._is_snapshot(answer.model) else asked
        if not answer.model or is_same_model(expected, answer.model):
            return
        name = first_shown(answer.model)
        self._journal.add(key, answer, audio_name, answered_by=name)
        before = f" and {self._snapshot} answered before" if self._snapshot else ""
        self._another_model = (
            f"asked for {asked}{before}, but {name} answered; paid answers are kept. To use that model as a revision of "
            f"its own, add --answered-by {name}"
        )
        raise UserError(self._another_model)

    def _is_snapshot(self, name: str) -> bool:
        return is_snapshot(self._choice.answered_by or self._api.hosted.model, name)

    @property
    def hosted(self) -> Hosted:
        """How the endpoint is reached."""
        return self._api.hosted

    def plan(self, clips: Collection[str], requests: int) -> None:
        """Count what is spent on a run, with what earlier runs have spent on the same clips.

        Args:
            clips: ``audio_sha256`` of the run's clips. The limit of cost is for these.
            requests: how many answers the run needs, for the time that is left.
        """
        self._clips = frozenset(clips)
        self.meter = Meter(self._api.hosted.prices, self.spent().usage, requests)

    def spent(self) -> Spent:
        """What the answers about the run's clips took; all answers of the journal where no run is planned."""
        return self._journal.usage(self._clips)

    def answered_by(self) -> list[str]:
        """The models that the answers of the journal name, most frequent first."""
        return self._journal.models()


def _is_accepted(name: str, parameters: tuple[str, ...]) -> bool:
    if name == "max_tokens":
        return True  # replaced where the endpoint refuses it
    return name in parameters
