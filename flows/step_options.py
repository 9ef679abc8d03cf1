"""Options of a step from text and from params.yaml, checked against the step's own dataclass.

``tasks/<step>.py`` declares the options once. The command line, params.yaml, ``--set`` and Prefect's forms all become
that dataclass, so that a wrong name or value is one line wherever it was written.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import ambivox.tasks
from ambivox.models.errors import UserError, unknown
from ambivox.models.number_ranges import check_ranges
from ambivox.models.registry import find, keys
from ambivox.models.yaml_documents import parse_yaml
from ambivox.tasks._command_words import with_home

_NOT_RECORDED = frozenset({"seed", "cache", "runs", "store", "tensorboard", "merged", "pseudonym_key"})


def options_class(step: str) -> type[Any]:
    """The dataclass of options of a step.

    Raises:
        UserError: There is no such step.
    """
    function = getattr(find(ambivox.tasks, step, "step"), step)
    declared: type[Any] = typing.get_type_hints(function)["options"]
    return declared


def build_options(step: str, values: Any, where: str) -> Any:
    """Options of ``step`` from a mapping of names to values; absent ones take their defaults.

    Args:
        step: The step's name.
        values: What params.yaml holds.
        where: The place of the mapping, for messages, such as "params.yaml: corpora.demo.pool".

    Raises:
        UserError: It is not a mapping, a name is unknown, or a value does not fit.
    """
    if not isinstance(values, Mapping):
        raise UserError(
            f"{where}: expected a mapping of options such as {{seed: 1}}, found {values!r}; "
            "`ambivox run` converts a params.yaml of the earlier form, with flags as text"
        )
    declared = options_class(step)
    hints = typing.get_type_hints(declared, include_extras=True)
    per_call = per_call_options(step)
    names = {field.name for field in fields(declared)} - per_call
    for name in values:
        if name in per_call:
            raise UserError(
                f"{where}.{name}: this is decided at each call and is no parameter of a corpus; leave it out here"
                + (", and use `ambivox run --allow-hosted`" if name == "allow_hosted" else "")
            )
        if name not in names:
            raise unknown(f"option of {step} in {where}", str(name), names)
    checked = {name: _checked(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    check_ranges(hints, checked, lambda name: f"{where}.{name}")
    return declared(**checked)


def parse_settings(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Settings such as ``pool.criterion=balanced`` by step, as values for params.yaml.

    A value is YAML: ``5``, ``true``, ``[1, 3, 5]``; anything else is text.

    Raises:
        UserError: A setting has another form, names an unknown step or option, or its value does not fit.
    """
    by_step: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        step, dot, option = name.partition(".")
        option = option.replace("-", "_")
        if not (equals and dot):
            raise UserError(f"--set {setting}: expected STEP.OPTION=VALUE, such as ingest.keep_votes=5")
        step = step.replace("-", "_")
        if step not in keys(ambivox.tasks):
            raise unknown("step in --set", step, keys(ambivox.tasks))
        option, _, inner = option.partition(".")
        value = with_home(_value(step, option, {inner: text} if inner else text))
        if inner:
            value = by_step.get(step, {}).get(option, {}) | value
        by_step.setdefault(step, {})[option] = value
    return by_step


def _value(step: str, option: str, text: Any) -> Any:
    """The text as YAML where the option takes that, else as it is."""
    if not isinstance(text, str):
        build_options(step, {option: text}, f"--set {step}")
        return text
    first_error: UserError | None = None
    # As it is written, as a list without its brackets (0,1,0,0), and as text.
    for written in (text, f"[{text}]" if "," in text else text):
        try:
            parsed = parse_yaml(written)
            build_options(step, {option: parsed}, f"--set {step}")
            return parsed
        except UserError as error:
            first_error = first_error or error
        except ValueError:
            continue
    try:
        build_options(step, {option: text}, f"--set {step}")
    except UserError as error:
        raise first_error or error from None
    return text


def _checked(hint: Any, value: Any, where: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        items = [part for part in typing.get_args(hint) if typing.get_origin(part) is tuple] or [hint]
        parts = typing.get_args(items[0])
        if typing.get_origin(items[0]) is tuple and ... not in parts and len(parts) > 1:
            reason = f"expected {len(parts)} values such as [{', '.join('0' * len(parts))}]"
        elif typing.get_origin(items[0]) is tuple and not isinstance(value, list | tuple):
            reason = "expected a list such as [a, b]"
        else:
            reason = error.errors()[0]["msg"]
        raise UserError(f"{where}: {reason[0].lower()}{reason[1:]}, found {value!r}") from error


def default_values(step: str) -> dict[str, Any]:
    """Every option of a step with its default, as params.yaml holds it, so that `dvc exp run -S` can name it.

    Left out are the seed, which the whole pipeline shares, where a machine keeps caches, stores and keys, and what is
    decided at each call.
    """
    options = options_class(step)()
    left_out = _NOT_RECORDED | per_call_options(step)
    names = (field.name for field in fields(options))
    return {name: plain(getattr(options, name)) for name in names if name not in left_out}


def per_call_options(step: str) -> set[str]:
    """The options of a step that are decided at each call, such as to send nothing; params.yaml has none of them."""
    return {field.name for field in fields(options_class(step)) if field.metadata.get("per_call")}


def path_options(step: str) -> set[str]:
    """The options of a step that hold paths."""
    return {name for name, hint in typing.get_type_hints(options_class(step)).items() if "Path" in str(hint)}


def plain(value: Any) -> Any:
    """An option's value as YAML holds it: paths as text, tuples as lists."""
    if isinstance(value, Path):
        return str(value)
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
