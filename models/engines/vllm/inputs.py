"""vLLM's inputs for the prompts of a clip: the audio is prepared once, then only the tokens of the text change.

vLLM prepares a prompt with audio in its multimodal processor, which finds the audio placeholder, inserts the audio
tokens and updates its cache. For the tiny ALM this is a large part of the work of this process. Where prompts share
everything up to and including the audio, this module derives the third and all later inputs from the second: other
tokens at the end. It uses the second and not the first, because vLLM does not send the audio features of the second
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class InputPreparer:
    """Prepares prompts one after the other. The prompts of a clip should be adjacent.

    Args:
        prepare: vLLM's preparation, from a prompt to the input of its engine.
    """

    def __init__(self, prepare: Callable[[dict[str, Any]], Any]) -> None:
        self._prepare = prepare
        self._clip: str | None = None
        self._template: tuple[list[int], dict[str, Any]] | None = None

    def prepare(self, prompt: dict[str, Any]) -> Any:
        """The input of vLLM's engine for a prompt.

        Args:
            prompt: ``prompt_token_ids``, and the audio with its identifier if there is any.

        Returns:
            The same as vLLM's own preparation.
        """
        clip = (prompt.get("multi_modal_uuids") or {}).get("audio")
        is_same_clip = clip is not None and clip == self._clip
        if is_same_clip and self._template is not None:
            derived = _with_tokens_of(prompt, *self._template)
            if derived is not None:
                return derived
        prepared = self._prepare(prompt)
        self._template = (prompt["prompt_token_ids"], prepared) if is_same_clip else None
        self._clip = clip
        return prepared


def _with_tokens_of(
    prompt: dict[str, Any], template_tokens: list[int], template: dict[str, Any]
) -> dict[str, Any] | None:
    """The prepared ``template`` with the text of ``prompt``; None where they differ before the end of the audio."""
    prompt_tokens: list[int] = prompt["prompt_token_ids"]
    shared = _shared_prefix(template_tokens, prompt_tokens)
    prepared_tokens: list[int] = template["prompt_token_ids"]
    end = len(prepared_tokens) - (len(template_tokens) - shared)
    (audio,) = template["mm_placeholders"]["audio"]
    audio_end = audio.offset + audio.length
    audio_tokens = set(prepared_tokens[audio.offset : audio_end])
    if (
        end < audio_end
        or prepared_tokens[end:] != template_tokens[shared:]
        or audio_tokens & set(prompt_tokens[shared:])
    ):
        return None
    derived = {key: value for key, value in template.items() if key not in ("prompt", "cache_salt")}
    salt = {"cache_salt": prompt["cache_salt"]} if "cache_salt" in prompt else {}
    return {**derived, **salt, "prompt_token_ids": prepared_tokens[:end] + prompt_tokens[shared:]}


def _shared_prefix(left: list[int], right: list[int]) -> int:
    """The length of the shared prefix, by bisection: comparing slices is faster than a loop over tokens."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
