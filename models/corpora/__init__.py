"""Speech corpora: one file per corpus; the file name is its key."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ambivox.models import registry
from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion.corpus import CorpusData

_EXPECTED = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def keys() -> list[str]:
    """List the corpora there are.

    Returns:
        Their keys, sorted.
    """
    return registry.keys(sys.modules[__name__])


def load_corpus(key: str, root: Path, options: Mapping[str, object] | None = None) -> CorpusData:
    """Load a corpus from its folder.

    Args:
        key: The corpus's key: the name of a file in models/corpora/.
        root: The corpus's folder.
        options: Options of this corpus, as text from a command line or as typed values from YAML.

    Returns:
        The corpus's data as its files describe it.

    Raises:
        UserError: The corpus or an option is unknown, a value does not fit, there is no such folder, or the loader
            cannot read it.
    """
    load: Callable[..., CorpusData] = registry.find(sys.modules[__name__], key, "corpus").load
    return load(root, **check_options(load, options or {}, key))


def check_options(load: Callable[..., CorpusData], options: Mapping[str, object], key: str) -> dict[str, Any]:
    """Convert options to the types of a loader's keyword-only parameters.

    Args:
        load: The loader.
        options: Option names and values: text ("yes", "3", "a,b") or typed values (True, 3, ["a", "b"]).
        key: The corpus's key, for messages.

    Returns:
        The keyword arguments for ``load``.

    Raises:
        UserError: A name is unknown, or a value has the wrong type.
    """
    hints = typing.get_type_hints(load)
    known = [
        name
        for name, parameter in inspect.signature(load).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for name in options:
        if not known:
            raise UserError(f"corpus {key} has no options, found {name!r}")
        if name not in known:
            raise unknown(f"option of corpus {key}", name, known)
    return {
        name: _convert(value, hints[name], f"option {name} of corpus {key}")
        for name, value in options.items()
    }


def _convert(value: object, hint: Any, option: str) -> Any:
    """Convert one value to the type in a parameter's annotation."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    if len(choices) == 1 and typing.get_origin(choices[0]) is Literal:  # a choice that may be left open
        hint, choices = choices[0], list(typing.get_args(choices[0]))
    given = value
    if typing.get_origin(hint) is tuple and isinstance(value, str):
        given = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, bool):
        given = str(value)  # pydantic would also read True as the integer 1
    adapter = TypeAdapter(hint, config=ConfigDict(coerce_numbers_to_str=True))
    try:
        return adapter.validate_python(given)
    except ValidationError as error:
        if typing.get_origin(hint) is Literal:
            raise unknown(option, str(value), [str(choice) for choice in choices]) from error
        is_tuple = typing.get_origin(hint) is tuple
        expected = "a list (a,b,c)" if is_tuple else _EXPECTED.get((choices or [hint])[0], str(hint))
        raise UserError(f"{option}: expected {expected}, found {value!r}") from error
