"""Personas: one sentence each that says how an annotator listens.

The five foci are those of "Scaling Ambiguity" (arXiv 2601.14620, section 2: voice and words, tone, word
choice, subtle cues, what and how), in our own words; annotator i takes focus i mod 5. ``placebo`` is a
sentence of the same length that says nothing about listening: what moves between it and a focus is what the
focus does, and what moves between it and nothing is what any sentence does. A user adds personas, such as
sociodemographic ones, in a TOML file of ``name = "sentence"`` lines.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.errors import UserError, unknown

FOCUS_LIMIT_CHARACTERS = 400


@dataclass(frozen=True)
class Persona:
    """A name (a word, as it stands in the annotations table) and one sentence of the prompt."""

    name: str
    focus: str


PAPER = (
    Persona("voice_and_words", "Attend to both voice and words."),
    Persona("tone", "Attend to the tone of voice."),
    Persona("words", "Attend to the choice of words."),
    Persona("subtle", "Attend to subtle vocal cues."),
    Persona("what_and_how", "Attend to what is said and how."),
)
PLACEBO = Persona("placebo", "The recording was made on a weekday.")
BUILT_IN = (*PAPER, PLACEBO)


def load_personas(names: tuple[str, ...], file: Path | None = None) -> tuple[Persona, ...]:
    """The personas with these names, in this order, from the built-in ones and those in ``file``.

    ``names`` may hold "paper" for the paper's five. A persona in the file may not take a built-in name.

    Raises:
        UserError: an unknown or repeated name, none at all, or a file that is not TOML of short sentences.
    """
    known = {persona.name: persona for persona in (*BUILT_IN, *(_read(file) if file else ()))}
    wanted = [name for group in names for name in ([p.name for p in PAPER] if group == "paper" else [group])]
    if not wanted:
        raise UserError(f"no persona was asked for; known: paper, {', '.join(known)}")
    if len(set(wanted)) != len(wanted):
        raise UserError(f"personas are named more than once: {', '.join(wanted)}")
    for name in wanted:
        if name not in known:
            raise unknown("persona", name, ["paper", *known])
    return tuple(known[name] for name in wanted)


def _read(file: Path) -> tuple[Persona, ...]:
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f'{file}: not a readable TOML file of personas ({error}); expected lines of name = "sentence"'
        ) from error
    for name, focus in entries.items():
        if not isinstance(focus, str) or not focus.strip() or len(focus) > FOCUS_LIMIT_CHARACTERS:
            raise UserError(
                f"{file}: persona {name!r} must be a sentence of 1 to {FOCUS_LIMIT_CHARACTERS} characters, "
                f"found {str(focus)[:60]!r}"
            )
        if name in {"paper", *(persona.name for persona in BUILT_IN)}:
            raise UserError(f"{file}: the persona name {name!r} is a built-in one; choose another")
    return tuple(Persona(name, focus) for name, focus in entries.items())
