"""Steps as tests call them: options as keyword arguments beside the paths, as on the command line.

``from tests.support.steps import pool`` gives ``pool(utterances=..., criterion="likelihood")``, which calls the step
with ``options=PoolOptions(criterion="likelihood")``.
"""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from typing import Any

from ambivox.models.logs import show_log


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    step = getattr(import_module(f"ambivox.tasks.{name}"), name)
    options_class = typing.get_type_hints(step)["options"]
    names = {field.name for field in fields(options_class)}

    def call(**arguments: Any) -> Any:
        options = {key: value for key, value in arguments.items() if key in names}
        rest = {key: value for key, value in arguments.items() if key not in names}
        with _log_on_terminal():
            return step(**rest, options=options_class(**options))

    return call


@contextmanager
def _log_on_terminal() -> Iterator[None]:
    """What the step logs is shown as the command line shows it; afterwards the loggers are as they were."""
    loggers = [logging.getLogger(name) for name in ("ambivox", "__main__")]
    before = [(logger.level, logger.propagate, logger.handlers) for logger in loggers]
    show_log()
    try:
        yield
    finally:
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers
