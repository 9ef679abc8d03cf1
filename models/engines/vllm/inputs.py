"""vLLM's inputs for the many prompts of one clip: a clip is prepared once, then only the words change.

vLLM prepares a prompt with audio by its multimodal processor, which looks for the audio's placeholder, writes its
tokens there and accounts for its cache: for the tiny ALM a good part of what this process does.
Of prompts that share everything up to and past the audio, the third and later ones are the second with other tokens
at the end. The second, not the first: that is the one whose features vLLM knew already and does not send again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Inputs:
    """Prepares prompts one after the other; those of a clip should come next to each other.

    Args:
        prepare: vLLM's own preparation, from a prompt to its engine's input.
    """

    def __init__(self, prepare: Callable[[dict[str, Any]], Any]) -> None:
        self._prepare = prepare
        self._clip: str | None = None
        self._seen: tuple[list[int], dict[str, Any]] | None = None

    def of(self, prompt: dict[str, Any]) -> Any:
        """What vLLM's engine takes for ``prompt`` (``prompt_token_ids``, and the audio with its identifier)."""
        clip = (prompt.get("multi_modal_uuids") or {}).get("audio")
        if clip is not None and clip == self._clip and self._seen is not None:
            reworded = _reworded(*self._seen, prompt)
            if reworded is not None:
                return reworded
        prepared = self._prepare(prompt)
        is_second = clip is not None and clip == self._clip
        self._seen = (prompt["prompt_token_ids"], prepared) if is_second else None
        self._clip = clip
        return prepared


def _reworded(before: list[int], prepared: dict[str, Any], prompt: dict[str, Any]) -> dict[str, Any] | None:
    """``prepared`` from the tokens ``before``, for the tokens of ``prompt``; None where they differ too early."""
    now: list[int] = prompt["prompt_token_ids"]
    shared = _shared(before, now)
    tokens: list[int] = prepared["prompt_token_ids"]
    end = len(tokens) - (len(before) - shared)
    (place,) = prepared["mm_placeholders"]["audio"]
    marks = set(tokens[place.offset : place.offset + place.length])
    if end < place.offset + place.length or tokens[end:] != before[shared:] or marks & set(now[shared:]):
        return None
    reworded = {key: value for key, value in prepared.items() if key not in ("prompt", "cache_salt")}
    salt = {"cache_salt": prompt["cache_salt"]} if "cache_salt" in prompt else {}
    return {**reworded, **salt, "prompt_token_ids": tokens[:end] + now[shared:]}


def _shared(one: list[int], other: list[int]) -> int:
    """How many tokens at the start are the same: halved in search of it, since lists compare faster than loops run."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[:middle] == other[:middle]:
            least = middle
        else:
            most = middle - 1
    return least
