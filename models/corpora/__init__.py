"""Speech corpora: one file per corpus; the file name is its key."""

from __future__ import annotations

import inspect
import sys
import typing
from pathlib import Path
from typing import Any, Literal

from ambivox.models import registry
from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion.corpus import Loaded


def keys() -> list[str]:
    """The corpora there are."""
    return registry.keys(sys.modules[__name__])


def load_corpus(key: str, root: Path, options: dict[str, str] | None = None) -> Loaded:
    """Load the corpus ``key`` from ``root``; ``options`` are strings, as given on the command line.

    Raises:
        UserError: an unknown corpus or option, a value that does not fit, no such folder, or what the loader
            found.
    """
    module = registry.find(sys.modules[__name__], key, "corpus")
    function = module.load
    found: Loaded = function(root, **parse_options(function, options or {}, key))
    return found


def parse_options(function: Any, options: dict[str, str], key: str) -> dict[str, Any]:
    """Turn strings into what the keyword-only parameters of ``function`` are annotated with.

    Raises:
        UserError: an unknown name or a value of the wrong kind.
    """
    hints = typing.get_type_hints(function)
    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            if not known:
                raise UserError(f"corpus {key} has no options, found {name!r}")
            raise unknown(f"option of corpus {key}", name, known)
    return {
        name: _parse(value, hints[name], f"option {name} of corpus {key}") for name, value in options.items()
    }


def _parse(value: str, kind: Any, what: str) -> Any:
    choices = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        if value not in choices:
            raise unknown(what, value, [str(choice) for choice in choices])
        return value
    if type(None) in choices:
        rest = [choice for choice in choices if choice is not type(None)]
        return _parse(value, rest[0], what)
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if value.lower() not in words:
            raise UserError(f"{what}: expected true or false, found {value!r}")
        return words[value.lower()]
    if typing.get_origin(kind) is tuple:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return kind(value)
    except ValueError as error:
        raise UserError(f"{what}: expected {kind.__name__}, found {value!r}") from error
