"""Prompts, built so that the content of a corpus can only add text to them, never chat markup.

A prompt is one user turn: the audio, then a text of the form

    The speaker says: "<transcript>". Which emotion does the speaker express?
    Options: A anger, B happiness, C sadness. Answer with one letter. <persona>

The audio comes first and the persona last, so that all prompts of an utterance share the encoder output of the audio
and the longest possible prefix of cached keys and values. Labels have codes (letters), because a code is a single
token and a label name may be several. Options are shown in a balanced set of orders, because the order alone changes
the answers of audio models (arXiv 2510.00628). The ALM's chat template adds the chat markup around the turn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.prompting.neutralising import MARKUP, TRANSCRIPT_LIMIT_BYTES, neutralise
from ambivox.models.prompting.personas import Persona

Modality = Literal["audio", "transcript", "both"]
Elicitation = Literal["exact", "sampled", "verbalised"]

LABEL_LIMIT_CHARACTERS = 60
# The first alphabet is the default; the others are suggested where its codes are not single, distinct tokens.
ALPHABETS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "123456789")

_TRANSCRIPT = 'The speaker says: "{transcript}". '
_QUESTION = "Which emotion does the speaker express? Options: {options}. {instruction}"
_INSTRUCTIONS: dict[Elicitation, str] = {
    "exact": "Answer with one letter.",
    "sampled": "Answer with one letter.",
    "verbalised": "Answer with a JSON object that gives each letter its percentage of listeners.",
}


@dataclass(frozen=True)
class Prompt:
    """One prompt, apart from the utterance that it is about.

    Attributes:
        persona: the persona at the end.
        order: a permutation of 0..K-1: option i shows the label ``order[i]`` with the code ``codes[i]``.
        labels: K labels.
        modality: what the model is given: the audio, the transcript, or both.
        elicitation: decides the instruction.
        codes: at least K answer codes, one character each.
        audio_first: whether the audio comes before the text.
    """

    persona: Persona
    order: tuple[int, ...]
    labels: tuple[str, ...]
    modality: Modality = "audio"
    elicitation: Elicitation = "exact"
    codes: str = ALPHABETS[0]
    audio_first: bool = True

    @property
    def order_name(self) -> str:
        """The order in the form of the annotations table, such as "0-2-1"."""
        return "-".join(map(str, self.order))

    def text(self, transcript: str | None = None, special_tokens: Iterable[str] = ()) -> str:
        """The text of the turn.

        Args:
            transcript: the transcript of the utterance; not used with the modality "audio".
            special_tokens: the special tokens of the ALM's tokenizer.

        Returns:
            One line. Chat markup and special tokens in transcript, labels and persona are neutralised.
        """
        special_tokens = tuple(special_tokens)
        names = [_shown(label, special_tokens, LABEL_LIMIT_CHARACTERS) for label in self.labels]
        options = ", ".join(
            f"{code} {names[label]}" for code, label in zip(self.codes, self.order, strict=False)
        )
        words = neutralise(transcript or "", special_tokens) if self.modality != "audio" else ""
        introduction = _TRANSCRIPT.format(transcript=words) if words else ""
        instruction = _INSTRUCTIONS[self.elicitation]
        focus = _shown(self.persona.focus, special_tokens)
        return (
            introduction
            + _QUESTION.format(options=options, instruction=instruction)
            + (f" {focus}" if focus else "")
        )

    def messages(
        self, transcript: str | None = None, special_tokens: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """The turn in the form of a processor's ``apply_chat_template``.

        Args:
            transcript: see ``text``.
            special_tokens: see ``text``.

        Returns:
            One user message whose content is the audio placeholder, if any, and the text.
        """
        text = {"type": "text", "text": self.text(transcript, special_tokens)}
        audio = [] if self.modality == "transcript" else [{"type": "audio", "audio": ""}]
        return [{"role": "user", "content": [*audio, text] if self.audio_first else [text, *audio]}]

    def sha256(self) -> str:
        """The hash of the prompt and the template version, without the transcript (64 hexadecimal digits)."""
        content = [
            prompt_version(),
            self.text(),
            self.modality,
            self.elicitation,
            self.audio_first,
            self.codes,
        ]
        return hashlib.sha256(json.dumps([*content, self.order, self.labels]).encode()).hexdigest()


def prompt_version() -> str:
    """The hash of the templates (12 hexadecimal digits). It changes with any change of their wording."""
    content = [
        _TRANSCRIPT,
        _QUESTION,
        _INSTRUCTIONS,
        TRANSCRIPT_LIMIT_BYTES,
        LABEL_LIMIT_CHARACTERS,
        MARKUP.pattern,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def option_orders(label_count: int, order_count: int) -> tuple[tuple[int, ...], ...]:
    """Balanced orders of the options: evenly spaced rotations, each with its reversal.

    With an even number of orders, all labels have the same mean position, and each pair of labels appears in both
    orders equally often. With 2 K orders (and with K orders where K is even), each label appears at each position
    equally often.

    Args:
        label_count: K.
        order_count: 1, or an even number; all 2 K orders where it is larger.

    Returns:
        Permutations of 0..K-1.

    Raises:
        UserError: ``order_count`` is neither 1 nor an even number.

    Example:
        >>> option_orders(3, 2)
        ((0, 1, 2), (2, 1, 0))
    """
    if order_count != 1 and (order_count % 2 or order_count < 2):
        raise UserError(f"{order_count} option orders cannot be balanced; use --orders 1 or an even number")
    order_count = min(order_count, 2 * label_count)
    pairs = max(1, order_count // 2)
    orders: list[tuple[int, ...]] = []
    for pair in range(pairs):
        shift = pair * label_count // pairs
        forward = tuple((shift + position) % label_count for position in range(label_count))
        orders += [forward, forward[::-1]]
    return tuple(orders[:order_count])


def build_prompts(
    labels: tuple[str, ...],
    personas: tuple[Persona, ...],
    order_count: int,
    *,
    modality: Modality = "audio",
    elicitation: Elicitation = "exact",
    codes: str = ALPHABETS[0],
) -> tuple[Prompt, ...]:
    """All prompts of an utterance.

    Args:
        labels: K labels.
        personas: P personas.
        order_count: the number of option orders.
        modality: see ``Prompt``.
        elicitation: see ``Prompt``.
        codes: see ``Prompt``.

    Returns:
        P x ``order_count`` prompts. Those with the same option order are adjacent, because they share the longest
        prefix.

    Raises:
        UserError: the labels or the number of orders are invalid.
    """
    check_labels(labels, codes)
    orders = option_orders(len(labels), order_count)
    return tuple(
        Prompt(persona, order, labels, modality, elicitation, codes)
        for order in orders
        for persona in personas
    )


def check_labels(labels: tuple[str, ...], codes: str = ALPHABETS[0]) -> None:
    """Check that labels can be shown as options.

    Args:
        labels: the labels.
        codes: the answer codes.

    Raises:
        TooLittleDataError: there are fewer than two labels.
        UserError: there are more labels than codes, or two labels look the same in a prompt.
    """
    if len(labels) < 2:
        raise TooLittleDataError(
            f"the only label is {', '.join(labels)}, so an ALM has nothing to choose among"
        )
    if len(labels) > len(codes):
        raise UserError(f"an ALM chooses among 2 to {len(codes)} labels, found {len(labels)}")
    shown = [neutralise(label, (), LABEL_LIMIT_CHARACTERS) for label in labels]
    if not all(shown) or len(set(shown)) != len(shown):
        raise UserError(f"labels must be distinct and not empty in a prompt, found {shown}; rename them")


@lru_cache(maxsize=256)
def _shown(text: str, special_tokens: tuple[str, ...], limit: int = TRANSCRIPT_LIMIT_BYTES) -> str:
    """``neutralise`` with a cache, for labels and personas, which are the same in all prompts."""
    return neutralise(text, special_tokens, limit)
