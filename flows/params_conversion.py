"""Converting a params.yaml of the earlier form, where options were flags in a string, to mappings of options."""

from __future__ import annotations

import shlex
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

from ambivox.flows.params_file import CORPUS_STEPS, changing
from ambivox.flows.step_options import options_class, per_call_options
from ambivox.models.errors import UserError

# Flags that have another name since, by step; None: no longer needed.
_RENAMED = {
    ("annotate", "transcript"): "modality",
    ("annotate", "patience"): "server_timeout",
    ("annotate", "votes"): "drawn_votes",
    ("pool", "insist"): "allow_audio_insensitive",
    ("finetune", "arm"): "modality",
    ("finetune", "patience"): "early_stopping_patience",
    ("validate", "truth"): None,  # found by itself
}
# Options that no longer exist, by step. Intervals are computed without resampling.
_REMOVED = {
    "pool": ("resamples",),
    "validate": ("resamples",),
    "evaluate": ("resamples",),
    "trial": ("resamples",),
}


def convert(project: Path) -> list[str]:
    """Convert params.yaml in place where it is in the old form.

    Returns:
        A note per converted entry; none where nothing had to change.

    Raises:
        UserError: A flag cannot be converted.
    """
    notes = []
    with changing(project) as params:
        for key, entry in params["corpora"].items():
            for step in CORPUS_STEPS:
                old = entry.get(step)
                if isinstance(old, str):
                    entry[step] = _options(step, old)
                    notes.append(f"corpora.{key}.{step}: {old!r} is now {dict(entry[step])}")
                elif step not in entry:
                    entry[step] = {}
                    notes.append(f"corpora.{key}.{step}: added, with no options")
                else:
                    notes += _without_removed(entry[step], step, f"corpora.{key}.{step}")
            notes += _without_per_call(entry, key)
        for key, entry in params["pretrain"].items():
            if isinstance(entry, dict) and "flags" in entry:
                params["pretrain"][key] = _options("pretrain", entry["flags"])
                notes.append(f"pretrain.{key}: its flags are now {dict(params['pretrain'][key])}")
        for key, entry in params["trial"].items():
            if isinstance(entry.get("votes_kept"), str):
                entry["votes_kept"] = [int(number) for number in entry["votes_kept"].split(",")]
                notes.append(f"trial.{key}.votes_kept is now {list(entry['votes_kept'])}")
            notes += _without_removed(entry, "trial", f"trial.{key}")
    return notes


def _without_per_call(entry: Any, key: str) -> list[str]:
    """Delete the options that are decided at each call; consent to hosted ALMs becomes a mark of the corpus."""
    options = entry["annotate"]
    if not isinstance(options, dict):
        return []
    notes = []
    for name in sorted(per_call_options("annotate") & options.keys()):
        value = options.pop(name)
        if name == "allow_hosted" and value is True:
            entry[name] = True
            notes.append(
                f"corpora.{key}.annotate.{name}: moved to corpora.{key}.{name}, as a mark of the corpus"
            )
        else:
            notes.append(f"corpora.{key}.annotate.{name}: removed, as it is decided at each call")
    return notes


def _without_removed(options: Any, step: str, where: str) -> list[str]:
    """Delete the options of a step that no longer exist; a note per option."""
    removed = [name for name in _REMOVED.get(step, ()) if isinstance(options, dict) and name in options]
    for name in removed:
        del options[name]
    return [f"{where}.{name}: removed, as the option no longer exists" for name in removed]


def _options(step: str, flags: str) -> dict[str, Any]:
    """The options that a string of flags stood for."""
    hints = typing.get_type_hints(options_class(step))
    known = {field.name for field in fields(options_class(step))}
    options: dict[str, Any] = {}
    words = shlex.split(flags)
    while words:
        flag, equals, value = words.pop(0).removeprefix("--").partition("=")
        values = [value] if equals else []
        while words and not words[0].startswith("--") and not equals:
            values.append(words.pop(0))
        name, dot, inner = flag.replace("-", "_").partition(".")
        negative = not values and name.removeprefix("no_") in known and name.startswith("no_")
        name = name.removeprefix("no_") if negative else name
        if (step, name) in _RENAMED:
            new = _RENAMED[(step, name)]
            if new is None:
                continue
            name = new
        if name in _REMOVED.get(step, ()):
            continue
        if name not in known:
            raise UserError(
                f"params.yaml: the flag --{flag} of {step} cannot be converted; remove it and set the option by --set"
            )
        if dot:
            options.setdefault(name, {})[inner] = values[0] if values else "true"
        else:
            options[name] = _value(hints[name], values, negative)
    return options


def _value(hint: Any, values: list[str], negative: bool) -> Any:
    """The words after a flag as a value for YAML."""
    from pydantic import TypeAdapter

    from ambivox.flows.step_options import plain

    if not values:
        return not negative
    words: Any = values
    if "tuple" in str(hint):
        words = [part for word in values for part in word.split(",") if part]
    else:
        words = values[0]
    return plain(TypeAdapter(hint).validate_python(words))
