"""What a vLLM server replies: log-probabilities of the answer codes, texts, and tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ambivox.models.engines._answer_length import check_length
from ambivox.models.engines._bounded_http import InvalidResponseError

# vLLM's own lowest value; a lower one is no number of the 32 bits that it computes with.
_LOWEST = -9999.0
# Sums of numbers of 32 bits are off by less.
_ROUNDING = 1e-2


def parse_logprobs(response: Any, ids: Sequence[int]) -> list[float]:
    """The log-probabilities of the answer codes.

    Args:
        response: the JSON body of a chat completion.
        ids: the tokens of the codes.

    Returns:
        One number per code, at least -9999.

    Raises:
        InvalidResponseError: one is missing, or they are no log-probabilities of tokens that exclude each other.
    """
    try:
        entries = response["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        by_token = {entry["token"]: float(entry["logprob"]) for entry in entries}
        row = [by_token[f"token_id:{token}"] for token in ids]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise InvalidResponseError(
            f"no log probabilities of the answer codes ({type(error).__name__}: {error})"
        ) from error
    if not all(math.isfinite(value) and value <= 1e-3 for value in row):
        raise InvalidResponseError(f"log probabilities {row}")
    if (total := sum(math.exp(value) for value in row)) > 1 + _ROUNDING:
        raise InvalidResponseError(
            f"probabilities of the answer codes with the sum {total:.3g}, expected at most 1"
        )
    return [max(value, _LOWEST) for value in row]


def parse_text(response: Any) -> str:
    """The text that was generated.

    Args:
        response: the JSON body of a chat completion.

    Raises:
        InvalidResponseError: there is none, or more than was asked for.
    """
    try:
        text = response["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise InvalidResponseError(f"no message ({type(error).__name__}: {error})") from error
    if not isinstance(text, str):
        raise InvalidResponseError(f"a message of type {type(text).__name__}")
    check_length(text)
    return text


def parse_tokens(response: Any) -> list[int]:
    """The tokens of a text.

    Args:
        response: the JSON body of an answer of /tokenize.

    Raises:
        InvalidResponseError: there are none.
    """
    try:
        return [int(token) for token in response["tokens"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidResponseError("no tokens") from error
