"""Personas: one sentence each that tells an annotator what to attend to.

The five foci are those of "Scaling Ambiguity" (arXiv 2601.14620, section 2: voice and words, tone, word choice, subtle
cues, what and how), in this project's wording; annotator i has focus i mod 5. ``placebo`` is a control of the same
length that is unrelated to the task: the effect of a focus is the difference between it and the placebo, and the
effect of any additional sentence is the difference between the placebo and no persona. Users add personas, such as
sociodemographic ones, in a TOML file with lines ``name = "sentence"``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.errors import UserError, unknown
from ambivox.models.file_errors import error_text
from ambivox.models.regular_files import read_text

FOCUS_LIMIT_CHARACTERS = 400


@dataclass(frozen=True)
class Persona:
    """A persona.

    Attributes:
        name: the name in the annotations table.
        focus: the sentence at the end of the prompt.
    """

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
    """The personas with these names, in this order.

    Args:
        names: names of built-in personas or of personas in ``file``; "paper" stands for the paper's five.
        file: a TOML file with lines ``name = "sentence"``; built-in names are not allowed in it.

    Returns:
        The personas.

    Raises:
        UserError: a name is unknown or repeated, there are no names, or the file is not valid.
    """
    known = {persona.name: persona for persona in (*BUILT_IN, *(_read(file) if file else ()))}
    paper_names = [persona.name for persona in PAPER]
    expanded = [name for group in names for name in (paper_names if group == "paper" else [group])]
    if not expanded:
        raise UserError(f"no persona is named; name at least one of: paper, {', '.join(known)}")
    if len(set(expanded)) != len(expanded):
        raise UserError(f"personas are named more than once: {', '.join(expanded)}; name each once")
    for name in expanded:
        if name not in known:
            raise unknown("persona", name, ["paper", *known])
    return tuple(known[name] for name in expanded)


def _read(file: Path) -> tuple[Persona, ...]:
    text = read_text(file, 'lines of name = "sentence"')
    try:
        entries = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f'{file}: not a readable TOML file of personas ({error_text(error)}); expected lines of name = "sentence"'
        ) from error
    for name, focus in entries.items():
        if not isinstance(focus, str) or not focus.strip() or len(focus) > FOCUS_LIMIT_CHARACTERS:
            raise UserError(
                f"{file}: persona {name!r} must be a sentence of 1 to {FOCUS_LIMIT_CHARACTERS} characters, "
                f"found {str(focus)[:60]!r}"
            )
        if name in {"paper", *(persona.name for persona in BUILT_IN)}:
            raise UserError(f"{file}: the persona name {name!r} is a built-in name; choose another")
    return tuple(Persona(name, focus) for name, focus in entries.items())
