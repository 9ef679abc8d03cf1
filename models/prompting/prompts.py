"""Prompts: what an ALM reads, built from data, and nothing that a corpus can put into it but text.

A prompt is one user turn: the audio, then a text of the form

    The speaker says: "<transcript>". Which emotion does the speaker express?
    Options: A anger, B happiness, C sadness. Answer with one letter. <persona>

The audio comes first and the persona last, so that all prompts of one utterance share the audio's encoder
output and the longest prefix of cached keys and values. Labels are shown as codes (letters), because a code
is one token and a label name need not be; options stand in a balanced set of orders, because order alone
moves audio models (arXiv 2510.00628). The chat markup around the turn is the model's own chat template.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ambivox.models.errors import UserError
from ambivox.models.prompting.personas import Persona

Modality = Literal["audio", "transcript", "both"]
Elicitation = Literal["exact", "sampled", "verbalised"]

# Bytes, because a tokenizer may need a token for each.
TRANSCRIPT_LIMIT_BYTES = 2_000
LABEL_LIMIT_CHARACTERS = 60
# Tried in this order; the first whose codes are single distinct tokens after the generation prompt is used.
ALPHABETS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "123456789")

_SPOKEN = 'The speaker says: "{transcript}". '
_QUESTION = "Which emotion does the speaker express? Options: {options}. {instruction}"
_INSTRUCTIONS: dict[Elicitation, str] = {
    "exact": "Answer with one letter.",
    "sampled": "Answer with one letter.",
    "verbalised": "Answer with a JSON object that gives each letter its percentage of listeners.",
}
# What chat templates are made of: <|im_end|>, <s>, </s>, <start_of_turn>, [INST], [BEGIN_AUDIO], <<SYS>>.
_MARKUP = re.compile(r"<(?=[|/<]|[A-Za-z_][\w\-]*>)|(?<=\|)>|\[(?=/?[A-Z_]+\])")


@dataclass(frozen=True)
class Prompt:
    """One question about one utterance.

    ``order`` is a permutation of 0..K-1: option i shows the label ``order[i]`` under the code ``codes[i]``.
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
        """The order as it stands in the annotations table, such as "0-2-1"."""
        return "-".join(map(str, self.order))

    def text(self, transcript: str | None = None, special_tokens: Iterable[str] = ()) -> str:
        """The text of the turn; no transcript or label brings chat markup or ``special_tokens`` into it."""
        special_tokens = tuple(special_tokens)
        names = [_shown(label, special_tokens, LABEL_LIMIT_CHARACTERS) for label in self.labels]
        options = ", ".join(
            f"{code} {names[label]}" for code, label in zip(self.codes, self.order, strict=False)
        )
        heard = neutralise(transcript or "", special_tokens) if self.modality != "audio" else ""
        spoken = _SPOKEN.format(transcript=heard) if heard else ""
        instruction = _INSTRUCTIONS[self.elicitation]
        focus = _shown(self.persona.focus, special_tokens)
        return (
            spoken
            + _QUESTION.format(options=options, instruction=instruction)
            + (f" {focus}" if focus else "")
        )

    def messages(
        self, transcript: str | None = None, special_tokens: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """The turn in the form that a processor's ``apply_chat_template`` takes."""
        text = {"type": "text", "text": self.text(transcript, special_tokens)}
        audio = {"type": "audio", "audio": ""}
        heard = [] if self.modality == "transcript" else [audio]
        return [{"role": "user", "content": [*heard, text] if self.audio_first else [text, *heard]}]

    def sha256(self) -> str:
        """The hash of all that the prompt is but the transcript, the version of the templates included."""
        held = [prompt_version(), self.text(), self.modality, self.elicitation, self.audio_first, self.codes]
        return hashlib.sha256(json.dumps([*held, self.order, self.labels]).encode()).hexdigest()


def prompt_version() -> str:
    """The hash of the templates (12 hexadecimal digits): it changes when any wording here does."""
    held = [
        _SPOKEN,
        _QUESTION,
        _INSTRUCTIONS,
        TRANSCRIPT_LIMIT_BYTES,
        LABEL_LIMIT_CHARACTERS,
        _MARKUP.pattern,
    ]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:12]


def option_orders(label_count: int, order_count: int) -> tuple[tuple[int, ...], ...]:
    """Balanced orders of ``label_count`` options: evenly spread rotations, each with its mirror image.

    With an even count every label stands at the same mean position, and every pair of labels in both orders
    equally often. With 2 K orders (and with K, where K is even) every label stands at every position equally
    often.

    Raises:
        UserError: the count is neither 1 nor an even number up to 2 K.
    """
    if order_count != 1 and (order_count % 2 or not 2 <= order_count <= 2 * label_count):
        raise UserError(
            f"{order_count} option orders cannot be balanced; use 1 or an even number up to {2 * label_count}"
        )
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
    """All prompts of one utterance, those with the same option order next to each other (they share most).

    Raises:
        UserError: fewer than two labels, more than there are codes, or labels that read alike.
    """
    check_labels(labels, codes)
    orders = option_orders(len(labels), order_count)
    return tuple(
        Prompt(persona, order, labels, modality, elicitation, codes)
        for order in orders
        for persona in personas
    )


def check_labels(labels: tuple[str, ...], codes: str = ALPHABETS[0]) -> None:
    """Refuse a label set that cannot be shown as options."""
    if not 2 <= len(labels) <= len(codes):
        raise UserError(f"an ALM chooses among 2 to {len(codes)} labels, found {len(labels)}")
    shown = [neutralise(label, (), LABEL_LIMIT_CHARACTERS) for label in labels]
    if not all(shown) or len(set(shown)) != len(shown):
        raise UserError(f"labels must read differently in a prompt, found {shown}; rename them")


@lru_cache(maxsize=256)
def _shown(text: str, special_tokens: tuple[str, ...], limit: int = TRANSCRIPT_LIMIT_BYTES) -> str:
    """Labels and foci neutralised: the same few in every prompt."""
    return neutralise(text, special_tokens, limit)


def neutralise(text: str, special_tokens: Iterable[str] = (), limit: int = TRANSCRIPT_LIMIT_BYTES) -> str:
    """``text`` on one line, at most ``limit`` bytes of UTF-8 (a cut ends in an ellipsis), without markup.

    Control and format characters go, white space becomes single spaces, and a space is put inside everything
    that looks like chat markup or is one of ``special_tokens`` (those of the model's tokenizer).
    """
    text = unicodedata.normalize("NFC", text[: 20 * limit])
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    kept = " ".join(kept.split())
    if len(kept.encode()) > limit:
        kept = kept.encode()[: limit - len("…".encode())].decode(errors="ignore").rstrip() + "…"
    kept = _MARKUP.sub(lambda found: found[0] + " " if found[0] != ">" else " >", kept)
    for token in sorted(special_tokens, key=len, reverse=True):
        while len(token) > 1 and token in kept:
            kept = kept.replace(token, f"{token[0]} {token[1:]}")
    return kept
