"""Chat completions in the form of Gemini's GenerateContent, and its responses as answers.

The field names are those of the REST API, see google.genai.types: Content, GenerationConfig, GenerateContentResponse.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ambivox.models.engines._answer_length import check_length
from ambivox.models.engines._bounded_http import InvalidResponseError
from ambivox.models.engines.hosted.answer import Answer, Usage, counted
from ambivox.models.errors import UserError

# Tokens of reasoning, as Google documents the parameter reasoning_effort of its OpenAI-compatible endpoint.
_THINKING_TOKENS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_NUMBERS = {
    "temperature": "temperature",
    "seed": "seed",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
}
# Every other reason means that the answer was stopped.
_ENDS_OF_ANSWERS = frozenset({"", "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS"})


def generate_content(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion as a GenerateContent request.

    Args:
        body: the JSON body of a chat completion with one message of the user.

    Raises:
        UserError: it has a parameter without a counterpart.

    Examples:
        >>> message = {"role": "user", "content": [{"type": "text", "text": "Which?"}]}
        >>> generate_content({"model": "m", "messages": [message], "max_tokens": 4})
        {'contents': [{'role': 'user', 'parts': [{'text': 'Which?'}]}], 'generationConfig': {'maxOutputTokens': 4}}
    """
    configuration: dict[str, Any] = {}
    for name, value in body.items():
        if name in _NUMBERS:
            configuration[_NUMBERS[name]] = value
        elif name == "response_format":
            schema = value["json_schema"]["schema"]
            configuration |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
        elif name == "reasoning_effort" and value in _THINKING_TOKENS:
            configuration["thinkingConfig"] = {"thinkingBudget": _THINKING_TOKENS[value]}
        elif name not in ("model", "messages"):
            raise UserError(f"Gemini's batches have no counterpart of {name}={value!r}; leave --batch out")
    parts = [_part(part) for part in body["messages"][0]["content"]]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": configuration}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    audio = part["input_audio"]
    return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Part(_Lenient):
    text: str | None = None
    thought: bool | None = None


class _Content(_Lenient):
    parts: list[_Part] | None = None


class _Candidate(_Lenient):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(_Lenient):
    block_reason: str | None = None


class _Modality(_Lenient):
    modality: str | None = None
    token_count: int | None = None


class _Metadata(_Lenient):
    prompt_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class _Response(_Lenient):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Metadata | None = None
    model_version: str | None = None


def parse_response(response: Any) -> Answer:
    """The answer in a GenerateContentResponse.

    Args:
        response: the JSON object.

    Returns:
        The answer. A blocked prompt, an answer that was stopped by a filter, and an empty text are refusals.

    Raises:
        InvalidResponseError: it is no GenerateContentResponse.

    Examples:
        >>> parse_response({"candidates": [{"content": {"parts": [{"text": "B"}]}, "finishReason": "STOP"}]}).text
        'B'
        >>> blocked = parse_response({"promptFeedback": {"blockReason": "SAFETY"}})
        >>> blocked.refused, blocked.text
        (True, '(blocked: SAFETY)')
    """
    try:
        parsed = _Response.model_validate(response)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidResponseError(
            f"no GenerateContentResponse ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        ) from error
    candidate = parsed.candidates[0] if parsed.candidates else _Candidate()
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text or "" for part in parts if not part.thought)
    finish = (candidate.finish_reason or "").upper()
    blocked = parsed.prompt_feedback.block_reason if parsed.prompt_feedback else None
    reason = blocked or (finish if finish not in _ENDS_OF_ANSWERS else "")
    usage = _usage(parsed.usage_metadata or _Metadata())
    model = parsed.model_version or ""
    check_length(text, model)
    return Answer(
        text or (f"(blocked: {reason[:80]})" if reason else ""),
        model,
        usage,
        bool(reason) or not text.strip(),
        is_counted=usage != Usage(),
    )


def _usage(metadata: _Metadata) -> Usage:
    details = metadata.prompt_tokens_details or []
    audio = counted(
        sum(counted(each.token_count) for each in details if (each.modality or "").upper() == "AUDIO")
    )
    reasoning = counted(metadata.thoughts_token_count)
    return Usage(
        text=max(counted(metadata.prompt_token_count) - audio, 0),
        audio=audio,
        cached=counted(metadata.cached_content_token_count),
        output=counted(metadata.candidates_token_count) + reasoning,
        reasoning=reasoning,
    )
