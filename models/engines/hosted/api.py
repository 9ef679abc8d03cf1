"""Chat completions of a hosted ALM: sent at the provider's pace, retried, and adapted to what the endpoint accepts.

The HTTP client is httpx, with the total time and size of every answer bounded, which the `openai` package does not
offer; proxies are taken from the environment.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from ambivox.models.engines._bounded_http import (
    InvalidResponseError,
    Response,
    dicts_in,
    request,
    shown_address,
)
from ambivox.models.engines._retry import (
    REQUEST_SECONDS,
    BackOff,
    Retries,
    TransientError,
    failure,
    is_transient,
)
from ambivox.models.engines.hosted.answer import Answer, parse_answer
from ambivox.models.engines.hosted.keys import check_key
from ambivox.models.engines.hosted.limits import Limits, seconds_of
from ambivox.models.errors import UserError
from ambivox.models.http_total_time import client_with_key
from ambivox.models.prompting.hosted_spec import Hosted

_logger = logging.getLogger(__name__)

# Parameters that are left out, or replaced and then left out, where the endpoint refuses them by name.
_OPTIONAL = (
    "seed",
    "temperature",
    "response_format",
    "reasoning_effort",
    "modalities",
    "top_logprobs",
    "logprobs",
)
_REPLACED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_BACK_OFF = BackOff(0.5, 30.0)


class Api:
    """The connection to one endpoint. Threads may share it.

    Args:
        hosted: how the endpoint is reached, and its limits.
        key: the API key, or "".
        timeout_seconds: the time without any answer after which the endpoint is given up.
    """

    def __init__(self, hosted: Hosted, key: str, timeout_seconds: float) -> None:
        self.hosted = hosted
        self.dropped: set[str] = set()
        self.limits = Limits(
            hosted.requests_per_minute, hosted.tokens_per_minute, longest_pause_seconds=timeout_seconds
        )
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._replaced: dict[str, str] = {}
        self._answered = False
        self._lock = threading.Lock()
        self._retries = Retries(shown_address(hosted.base_url), key, timeout_seconds, _BACK_OFF)
        self._client = client_with_key(key, limits=httpx.Limits(max_connections=64))

    def ask(self, body: dict[str, Any], tokens: float, check: Callable[[], None] = lambda: None) -> Answer:
        """Send a chat completion, with retries.

        Args:
            body: the JSON body.
            tokens: about how many tokens it takes, for the pace.
            check: is called just before each attempt, when it is the request's turn; raises UserError where nothing
                more may be sent.

        Returns:
            The answer. A request that the endpoint refuses although it has answered others is a refusal.

        Raises:
            UserError: there is no key, or the endpoint refuses the key, the quota or the first request, or gave no answer within the
                time-out. Answers in the journal stay.
        """
        check_key(self.hosted, self._key)
        while (answer := self._retries.until_success(lambda: self._attempt(body, tokens, check))) is None:
            pass  # a parameter that the endpoint refuses is left out now
        return answer

    def _attempt(self, body: dict[str, Any], tokens: float, check: Callable[[], None]) -> Answer | None:
        """Send the request once; None where it has to be sent again without a parameter."""
        sent = self.accepted(body)
        with self.limits.turn(tokens):
            check()
            response = request(
                self._client,
                f"{self.hosted.base_url}/chat/completions",
                sent,
                seconds=min(REQUEST_SECONDS, self._timeout_seconds),
            )
        if response.status == 200:
            answer = parse_answer(_completion(response))
            self.limits.answered(response.headers)
            self._answered = True
            return answer
        if self._adapt(response, body, sent):
            return None
        reason = failure(response, _message(response), self._key)
        if not is_transient(response.status) or _is_out_of_money(response):
            return self._refused(response, reason)
        retry_after = _retry_after(response)
        if response.status == 429:
            self.limits.throttled(retry_after)
        raise TransientError(reason, retry_after)

    def accepted(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body without the parameters that the endpoint has refused so far.

        Args:
            body: the JSON body.
        """
        with self._lock:
            return self._accepted(body)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _accepted(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            self._replaced.get(name, name): value for name, value in body.items() if name not in self.dropped
        }

    def _adapt(self, response: Response, body: dict[str, Any], sent: dict[str, Any]) -> bool:
        """Whether asking again helps, because a parameter that the endpoint refuses is now left out or replaced."""
        if response.status not in (400, 404, 422):
            return False
        message = _message(response)
        with self._lock:
            if self._accepted(body).keys() != sent.keys():
                return True  # another thread has adapted the parameters meanwhile
            for name in (*_REPLACED, *_OPTIONAL):
                name_sent = self._replaced.get(name, name)
                if name not in body or name in self.dropped or not re.search(rf"\b{name_sent}\b", message):
                    continue
                if name in _REPLACED and name not in self._replaced:
                    self._replaced[name] = _REPLACED[name]
                    _logger.info(
                        f"{self.hosted.model} refuses the parameter {name}; {_REPLACED[name]} is sent instead"
                    )
                else:
                    self.dropped.add(name)
                    _logger.warning(
                        f"{self.hosted.model} refuses the parameter {name_sent}; it is left out from now on"
                    )
                return True
        return False

    def _refused(self, response: Response, reason: str) -> Answer:
        """A refusal of this request alone; an error where the key, the quota or every request is refused."""
        place = shown_address(self.hosted.base_url)
        if response.status in (401, 403):
            raise UserError(
                f"{place} refuses the API key ({reason}); check the environment variable {self.hosted.key_variable}"
            )
        if response.status in (402, 429):
            raise UserError(
                f"{place}: the account has no money or quota left ({reason}); paid answers are kept, and the same "
                "command resumes"
            )
        if response.status == 404 or not self._answered:
            raise UserError(f"{place} refuses the request for {self.hosted.model} ({reason})")
        return Answer(f"({reason})", "", refused=True)


def _completion(response: Response) -> Any:
    """The JSON body; the pieces of a stream are put together to one."""
    if not response.text.lstrip().startswith("data:"):
        return response.json()
    pieces: list[str] = []
    whole: dict[str, Any] = {"choices": [{"message": {"content": ""}}]}
    for line in response.text.splitlines():
        content = line.removeprefix("data:").strip()
        if not line.startswith("data:") or content == "[DONE]":
            continue
        event = Response(200, content=content.encode(), secrets=response.secrets).json()
        if not isinstance(event, dict):
            raise InvalidResponseError("a stream of something else than objects")
        whole |= {name: event[name] for name in ("model", "usage") if event.get(name)}
        for choice in dicts_in(event.get("choices")):
            delta = choice.get("delta")
            pieces.append(str(delta.get("content") or "") if isinstance(delta, dict) else "")
            whole["choices"][0]["finish_reason"] = choice.get("finish_reason")
    if whole["choices"][0].get("finish_reason") is None:
        raise InvalidResponseError("a stream that ends before its end")
    whole["choices"][0]["message"]["content"] = "".join(pieces)
    return whole


def _message(response: Response) -> str:
    try:
        error = response.json()
    except InvalidResponseError:
        return response.text
    while isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]
    if isinstance(error, dict):
        return (
            " ".join(str(error[name]) for name in ("message", "param", "code") if error.get(name))
            or response.text
        )
    return response.text


def _is_out_of_money(response: Response) -> bool:
    return response.status == 429 and "insufficient_quota" in response.text


def _retry_after(response: Response) -> float | None:
    text = response.headers.get("retry-after", "")
    seconds = seconds_of(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    # Dates and time zones out of range end in errors of many types.
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        return None
