"""Steps as tests call them: options as keyword arguments beside the paths, as on the command line.

``from tests.support.steps import pool`` gives ``pool(utterances=..., criterion="likelihood")``, which calls the step
with ``options=PoolOptions(criterion="likelihood")``.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    step = getattr(import_module(f"ambivox.tasks.{name}"), name)
    options_class = typing.get_type_hints(step)["options"]
    names = {field.name for field in fields(options_class)}

    def call(**arguments: Any) -> Any:
        options = {key: value for key, value in arguments.items() if key in names}
        rest = {key: value for key, value in arguments.items() if key not in names}
        return step(**rest, options=options_class(**options))

    return call
