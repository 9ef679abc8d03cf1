"""Rendering prompts with the ALM's chat template, and the tokens of its answer codes.

Chat template, special tokens and tokenizer come from the ALM's processor. No code of the checkpoint is executed.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambivox.models.errors import MissingExtraError, UserError, first_line
from ambivox.models.hub import check_available
from ambivox.models.prompting.prompts import ALPHABETS, Prompt
from ambivox.models.prompting.template import apply_template, template_error
from ambivox.models.prompting.template_check import QUESTION, has_powers, is_endless, tokenizer_is_endless

if TYPE_CHECKING:
    from ambivox.models.prompting.alm_spec import ResolvedAlm
    from ambivox.models.prompting.request import Request


_TOKENIZER = "tokenizer.json"
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


class Chat:
    """Renders requests for one ALM.

    Args:
        processor: the ALM's processor or tokenizer in transformers.
        chat_arguments: keyword arguments of the chat template.
    """

    def __init__(self, processor: Any, chat_arguments: dict[str, Any] | None = None) -> None:
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.arguments = chat_arguments or {}
        self.special_tokens = _special_tokens(self.tokenizer)
        # Acted corpora repeat a few sentences, and without transcripts all utterances have the same prompts.
        self._cached_tokens = lru_cache(maxsize=1024)(self._tokens)
        self._has_audio_place = False

    def render(self, request: Request) -> str:
        """The prompt as text.

        Args:
            request: the request.

        Returns:
            Chat markup, the placeholder of the audio and the text, up to the start of the model's response.

        Raises:
            UserError: the template cannot be used, or leaves out the audio or the text.
        """
        return self._rendered(request.prompt, request.transcript, request.audio is not None)

    def _rendered(self, prompt: Prompt, transcript: str | None, has_audio: bool) -> str:
        messages = prompt.messages(transcript, self.special_tokens)
        parts = messages[0]["content"]
        texts = [part for part in parts if part["type"] == "text"]
        text = self._apply([{**messages[0], "content": parts if has_audio else texts}])
        if any(part["text"].strip() not in text for part in texts):
            raise template_error("leaves out the question")
        if has_audio and len(texts) < len(parts) and not self._has_audio_place:
            self._check_audio_place(text, [{**messages[0], "content": texts}])
            self._has_audio_place = True
        return text

    def _check_audio_place(self, text: str, without_audio: list[dict[str, Any]]) -> None:
        """Check that a prompt has one place for the recording: engines refuse it otherwise, or ask without the recording."""
        audio_token = getattr(self.processor, "audio_token", None)
        places = text.count(audio_token) if isinstance(audio_token, str) and audio_token else None
        if places == 0 or (places is None and self._apply(without_audio) == text):
            raise template_error("has no place for a recording")
        if places is not None and places > 1:
            raise template_error(f"has {places} places for one recording ({audio_token})")

    def _apply(self, messages: list[dict[str, Any]]) -> str:
        return apply_template(self.processor, messages, self.arguments)

    def tokens(self, request: Request) -> list[int]:
        """The tokens of the prompt: ``encode(render(request))``, cached."""
        return list(self._cached_tokens(request.prompt, request.transcript, request.audio is not None))

    def _tokens(self, prompt: Prompt, transcript: str | None, has_audio: bool) -> tuple[int, ...]:
        return tuple(self.encode(self._rendered(prompt, transcript, has_audio)))

    @cached_property
    def audio_token_id(self) -> int | None:
        """The token that a recording takes the place of; None where the processor does not say which."""
        token = getattr(self.processor, "audio_token", None)
        return self.tokenizer.convert_tokens_to_ids(token) if isinstance(token, str) else None

    def answer_ids(self, request: Request) -> list[int]:
        """The token of each answer code of a request, in code order; see ``code_ids``."""
        prompt = request.prompt
        return self.code_ids(prompt.codes[: len(prompt.labels)], self.render(request))

    def code_ids(self, codes: str, rendered: str) -> list[int]:
        """The token of each code directly after a rendered prompt.

        Args:
            codes: the answer codes, one character each.
            rendered: what ``render`` returned.

        Returns:
            One token per code.

        Raises:
            UserError: a code is more than one token there, or two codes are the same token. The message names an
                alphabet that works, if there is one.
        """
        ids = self._single_tokens(codes, rendered)
        if ids is not None:
            return ids
        alternatives = [
            alphabet[: len(codes)]
            for alphabet in ALPHABETS
            if len(alphabet) >= len(codes) and self._single_tokens(alphabet[: len(codes)], rendered)
        ]
        raise UserError(
            f"the answer codes {codes} are not single, distinct tokens after this ALM's generation prompt; "
            + (f"codes that are: {alternatives[0]}" if alternatives else "no other codes are either")
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
        """The tokens of a rendered prompt, without special tokens in addition to those of the template."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))


def load_chat(resolved: ResolvedAlm) -> Chat:
    """Load the processor of an ALM from its folder, or from the hub at the pinned revision.

    Args:
        resolved: the ALM.

    Returns:
        The chat of the ALM.

    Raises:
        UserError: transformers is not installed, or the processor cannot be loaded.
    """
    processor = _processor(
        resolved.source, resolved.revision, resolved.is_local, resolved.alm.processor_class
    )
    return Chat(processor, dict(resolved.alm.chat_arguments))


def load_processor(resolved: ResolvedAlm) -> Any:
    """A processor of its own for an ALM, which the caller may change.

    Raises:
        UserError: transformers is not installed, or the processor cannot be loaded.
    """
    return _processor.__wrapped__(
        resolved.source, resolved.revision, resolved.is_local, resolved.alm.processor_class
    )


@lru_cache(maxsize=2)
def _processor(source: str, revision: str, is_local: bool, name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "train") from error
    if not is_local:
        check_available(source, revision)
    elif tokenizer_is_endless(Path(source) / _TOKENIZER):
        raise _tokenizer_error(source)
    try:
        processor = getattr(transformers, name).from_pretrained(
            source,
            revision=None if is_local else revision,
            local_files_only=is_local,
            trust_remote_code=False,
        )
    except Exception as error:
        # The folder decides which code of transformers and tokenizers runs; both raise exceptions of many types.
        reason = first_line(error)
        if is_local and not any((Path(source) / file).is_file() for file in _PROCESSOR_FILES):
            raise UserError(
                f"{source}: holds the model without its processor; save that of the base model with it: "
                f"transformers.{name}.from_pretrained(BASE).save_pretrained(FOLDER)"
            ) from error
        raise UserError(f"{source}: its processor cannot be loaded ({reason})") from error
    _check(processor, source, is_local=is_local)
    return processor


def _check(processor: Any, source: str, *, is_local: bool) -> None:
    """Try the templates, and the tokenizer on a prompt of theirs, before they are used in this process."""
    tokenizer = getattr(processor, "tokenizer", None)
    if has_powers(processor, tokenizer):
        raise template_error("computes powers of numbers, which may take for ever")
    if is_endless(processor, tokenizer):
        raise template_error("takes seconds, a gigabyte of memory or a million characters for one question")
    prompt = ""
    if is_local:
        with suppress(UserError):  # which the first prompt raises again
            prompt = apply_template(processor, QUESTION, {})
    if prompt and tokenizer_is_endless(Path(source) / _TOKENIZER, prompt):
        raise _tokenizer_error(source)


def _tokenizer_error(source: str) -> UserError:
    return UserError(
        f"{source}: its tokenizer takes seconds, or gigabytes of memory, for one question; use the tokenizer of the published model"
    )


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """All strings that the tokenizer turns into a special token anywhere in a text."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = {str(token) for token in added if getattr(token, "special", True)}
    return tuple(sorted(special | set(getattr(tokenizer, "all_special_tokens", ()))))
