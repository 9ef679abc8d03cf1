"""One answer of a hosted ALM: its text, what it cost, and the model that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ambivox.models.engines._answer_length import check_length
from ambivox.models.engines._bounded_http import InvalidResponseError
from ambivox.models.engines.hosted.top_logprobs import usable
from ambivox.models.prompting.hosted_spec import Prices

_MOST_TOKENS = 10**9


@dataclass(frozen=True)
class Usage:
    """Tokens, as the endpoint counts them.

    Attributes:
        text: of text in the prompt.
        audio: of audio in the prompt.
        cached: those of the two that the endpoint had cached.
        output: generated tokens, reasoning included.
        reasoning: those of ``output`` that were reasoning.
    """

    text: int = 0
    audio: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """All tokens, cached and reasoning ones once."""
        return self.text + self.audio + self.output

    def __add__(self, other: Usage) -> Usage:
        """The sum of both, token by token."""
        return Usage(
            self.text + other.text,
            self.audio + other.audio,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    def describe(self) -> str:
        """The numbers of tokens in words.

        Examples:
            >>> Usage(text=5, audio=80, cached=10, output=9, reasoning=4).describe()
            'tokens: 80 audio, 5 text, 10 of them cached; 9 output, 4 of them reasoning'
        """
        return (
            f"tokens: {self.audio} audio, {self.text} text, {self.cached} of them cached; {self.output} output, "
            f"{self.reasoning} of them reasoning"
        )

    def cost(self, prices: Prices | None) -> float | None:
        """The price in US dollars; None where prices are not known.

        Endpoints do not say which tokens were cached. The text is taken first, which is the cheaper, so that the price is
        never below what is charged.

        Args:
            prices: prices per million tokens.

        Examples:
            >>> Usage(text=1_000_000, audio=500_000).cost(Prices(text=1.0, audio=2.0, output=8.0))
            2.0
            >>> Usage(text=1_000_000, cached=500_000).cost(Prices(text=1.0, audio=2.0, output=8.0, cached_share=0.5))
            0.75
        """
        if prices is None:
            return None
        cached_text = min(self.cached, self.text)
        cached_audio = min(self.cached - cached_text, self.audio)
        saved = (cached_text * prices.text + cached_audio * prices.audio) * (1 - prices.cached_share)
        return (
            self.text * prices.text + self.audio * prices.audio + self.output * prices.output - saved
        ) / 1e6


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        text: what the model wrote.
        model: the model that the endpoint says has answered.
        usage: what the endpoint says it took; zeros where it says nothing.
        in_batch: whether it came in a batch, at a lower price.
        is_counted: whether ``usage`` is the endpoint's count; else it is an estimate.
        refused: whether the endpoint declares that the model refused, or gave no text at all.
        top_logprobs: text and finite natural-log probability of the most likely first tokens.
    """

    text: str
    model: str
    usage: Usage = field(default_factory=Usage)
    refused: bool = False
    top_logprobs: tuple[tuple[str, float], ...] = ()
    is_counted: bool = True
    in_batch: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Answer:
        """The answer that the journal holds as JSON.

        Args:
            stored: the fields of an answer.
        """
        top = usable([(str(token), float(logprob)) for token, logprob in stored["top_logprobs"]])
        usage = Usage(**stored["usage"])
        is_counted = bool(stored.get("is_counted", usage != Usage()))
        return cls(
            stored["text"],
            stored["model"],
            usage,
            bool(stored["refused"]),
            top,
            is_counted,
            bool(stored.get("in_batch")),
        )


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Details(_Lenient):
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(_Lenient):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _TopLogprob(_Lenient):
    token: str
    logprob: float


class _TokenLogprob(_Lenient):
    top_logprobs: list[_TopLogprob] = []


class _Logprobs(_Lenient):
    content: list[_TokenLogprob] | None = None


class _Message(_Lenient):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Lenient):
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(_Lenient):
    model: str | None = None
    choices: list[_Choice]
    usage: _Usage | None = None


def parse_answer(response: Any) -> Answer:
    """The answer in a chat completion.

    Args:
        response: the JSON body of a response with status 200.

    Returns:
        The answer. No choices at all, an empty text, a refusal and a safety filter are refusals.

    Raises:
        InvalidResponseError: the body is no chat completion.

    Examples:
        >>> parse_answer({"model": "m", "choices": [{"message": {"content": "B"}}]}).text
        'B'
        >>> parse_answer({"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}).refused
        True
    """
    try:
        completion = _Completion.model_validate(response)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidResponseError(
            f"no chat completion ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        ) from error
    choice = completion.choices[0] if completion.choices else _Choice()
    message = choice.message or _Message()
    text = message.refusal or message.content or ""
    filtered = choice.finish_reason in ("content_filter", "safety")
    refused = bool(message.refusal) or filtered or not text.strip()
    content = choice.logprobs.content if choice.logprobs else None
    top = [(entry.token, entry.logprob) for entry in (content[0].top_logprobs if content else [])]
    model, usage = completion.model or "", _usage(completion.usage)
    check_length(text, model, *(token for token, _ in top))
    return Answer(text, model, usage, refused, usable(top), is_counted=usage != Usage())


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, output = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    audio = counted(prompt.audio_tokens)
    return Usage(
        text=max(counted(usage.prompt_tokens) - audio, 0),
        audio=audio,
        cached=counted(prompt.cached_tokens),
        output=counted(usage.completion_tokens),
        reasoning=counted(output.reasoning_tokens),
    )


def counted(tokens: int | None) -> int:
    """A provider's count of tokens, from 0 to a billion: a number that no journal can hold would lose a paid answer.

    Args:
        tokens: what the provider sent; None for nothing.

    Example:
        >>> counted(-1), counted(7), counted(10**30)
        (0, 7, 1000000000)
    """
    return min(max(tokens or 0, 0), _MOST_TOKENS)
