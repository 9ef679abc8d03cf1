"""A request to a hosted ALM before it is sent: its key in the journal, its JSON body, and about how many tokens it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ambivox.models.engines.hosted.answer import Usage
from ambivox.models.engines.hosted.audio import audio_part
from ambivox.models.engines.hosted.journal import request_key
from ambivox.models.prompting.hosted_spec import Hosted
from ambivox.models.prompting.request import Request

# A reasoning model needs room before its letter; a short limit gives empty answers.
LETTER_TOKENS = 16
# About; endpoints count them exactly.
CHARACTERS_PER_TOKEN = 4.0


@dataclass(frozen=True)
class Planned:
    """See the module.

    Attributes:
        request: the prompt and the clip.
        parameters: of the generation, such as the temperature.
        hosted: how the endpoint is reached, and what it accepts.
        rate_hz: the sample rate of the clip.
    """

    request: Request
    parameters: dict[str, Any]
    hosted: Hosted
    rate_hz: int

    @property
    def key(self) -> str:
        """The hash of all that decides the answer."""
        request = self.request
        name = request.audio_name if request.audio is not None else None
        return request_key(self._text, name, request.prompt.audio_first, self.parameters)

    @property
    def audio_name(self) -> str:
        """See ``Request``."""
        return self.request.audio_name

    @property
    def estimate(self) -> Usage:
        """About how many tokens it takes."""
        text = int(len(self._text) / CHARACTERS_PER_TOKEN)
        if self.request.audio is None:
            return Usage(text=text, output=LETTER_TOKENS)
        seconds = len(self.request.audio) / self.rate_hz
        return Usage(text, int(seconds * self.hosted.audio_tokens_per_second), output=LETTER_TOKENS)

    def body(self) -> dict[str, Any]:
        """The JSON body of the chat completion, with the audio as base64.

        Raises:
            UserError: the clip is too large in every format that the endpoint takes.
        """
        content: list[dict[str, Any]] = [{"type": "text", "text": self._text}]
        if self.request.audio is not None:
            part = audio_part(self.request.audio, self.rate_hz, self.hosted)
            content = [part, *content] if self.request.prompt.audio_first else [*content, part]
        allowed = {
            name: value
            for name, value in self.parameters.items()
            # max_tokens is replaced where the endpoint refuses it
            if name == "max_tokens" or name in self.hosted.parameters
        }
        message = {"model": self.hosted.model, "messages": [{"role": "user", "content": content}]}
        return message | allowed | self.hosted.extra_parameters

    @property
    def _text(self) -> str:
        return self.request.prompt.text(self.request.transcript)
