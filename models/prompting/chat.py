"""The model's own chat markup around a prompt, and the tokens of its answer codes.

Everything comes from the ALM's processor: its chat template, its special tokens, its tokenizer. No code of
the checkpoint is run.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.prompting.prompts import ALPHABETS, Prompt

if TYPE_CHECKING:
    from ambivox.models.prompting.alm_spec import ResolvedAlm
    from ambivox.models.prompting.request import Request


class Chat:
    """Renders requests for one ALM."""

    def __init__(self, processor: Any, chat_arguments: dict[str, Any] | None = None) -> None:
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.arguments = chat_arguments or {}
        self.special_tokens = _special_tokens(self.tokenizer)
        # Acted corpora say the same few sentences over and over, and without transcripts all prompts recur.
        self._recent = lru_cache(maxsize=1024)(self._tokens)

    def render(self, request: Request) -> str:
        """The whole prompt as text, the audio's placeholder in it, up to where the model's answer begins."""
        return self._rendered(request.prompt, request.transcript, request.audio is None)

    def _rendered(self, prompt: Prompt, transcript: str | None, silent: bool) -> str:
        messages = prompt.messages(transcript, self.special_tokens)
        if silent:
            messages[0]["content"] = [part for part in messages[0]["content"] if part["type"] == "text"]
        text: str = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self.arguments
        )
        return text

    def tokens(self, request: Request) -> list[int]:
        """The tokens of the whole prompt (``render``, then ``encode``)."""
        return list(self._recent(request.prompt, request.transcript, request.audio is None))

    def _tokens(self, prompt: Prompt, transcript: str | None, silent: bool) -> tuple[int, ...]:
        return tuple(self.encode(self._rendered(prompt, transcript, silent)))

    def code_ids(self, codes: str, rendered: str) -> list[int]:
        """The token of each code where it follows the generation prompt of ``rendered``.

        Raises:
            UserError: a code is more than one token there, or two are the same one; the message names an
                alphabet that would do, if there is one.
        """
        ids = self._single_tokens(codes, rendered)
        if ids is not None:
            return ids
        others = [
            a for a in ALPHABETS if self._single_tokens(a[: len(codes)], rendered) and len(a) >= len(codes)
        ]
        advice = (
            f"answer codes that are: {others[0][: len(codes)]}" if others else "no other codes are either"
        )
        raise UserError(
            f"the answer codes {codes} are not single, distinct tokens after this ALM's generation prompt; "
            f"{advice}"
        )

    def _single_tokens(self, codes: str, rendered: str) -> list[int] | None:
        before = self.encode(rendered)
        ids = []
        for code in codes:
            after = self.encode(rendered + code)
            if after[:-1] != before or after[-1] in ids:
                return None
            ids.append(after[-1])
        return ids

    def encode(self, text: str) -> list[int]:
        """The tokens of a rendered prompt; nothing is put before it that its template did not."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))


def load_chat(resolved: ResolvedAlm) -> Chat:
    """The chat of an ALM, its processor read from the folder or from the hub at the pinned revision.

    Raises:
        UserError: transformers is not installed, or there is no such processor.
    """
    processor = _processor(
        resolved.source, resolved.revision, resolved.is_local, resolved.alm.processor_class
    )
    return Chat(processor, dict(resolved.alm.chat_arguments))


@lru_cache(maxsize=2)
def _processor(source: str, revision: str, is_local: bool, name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "train") from error
    try:
        return getattr(transformers, name).from_pretrained(
            source,
            revision=None if is_local else revision,
            local_files_only=is_local,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{source}: its processor cannot be loaded ({reason})") from error


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """All strings that the tokenizer turns into a special token, wherever they stand in a text."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = {str(token) for token in added if getattr(token, "special", True)}
    return tuple(sorted(special | set(getattr(tokenizer, "all_special_tokens", ()))))
