"""Steps on the command line: flags from a step's signature and its options, one line for a user's mistake."""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import typing
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from ambivox.models.errors import UserError
from ambivox.models.files import disk_is_full

USER_MISTAKE = 2
# EX_IOERR of sysexits.h.
DISK_FULL = 74
INTERRUPTED = 130
# Names a file that also gets everything a step logs, as JSON lines {"level", "message"}: the process that started the
# step shows it in the Prefect run, too.
LOG_FILE = "AMBIVOX_LOG_FILE"

_logger = logging.getLogger("ambivox")


def app(name: str, summary: str) -> App:
    """A command-line application that imports nothing heavy for its help.

    A flag that takes several values takes them as words: ``--sources human pooled``.
    """
    return App(
        name=name,
        help=summary,
        help_format="markdown",
        version_flags=(),
        result_action="return_none",
        default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
    )


def command_of(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step as a command: the fields of its options become flags of their own, with their own help."""
    hints = typing.get_type_hints(step)
    parameters = []
    for parameter in inspect.signature(step).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint):
            flags = Annotated[hint, Parameter(name="*")]  # type: ignore[valid-type]
            parameters.append(parameter.replace(annotation=flags, default=hint()))  # type: ignore[operator]
        else:
            parameters.append(parameter.replace(annotation=hint))

    signature = inspect.Signature(parameters)

    def command(*positional: Any, **named: Any) -> Any:
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        return step(*bound.args, **bound.kwargs)

    command.__doc__, command.__name__ = step.__doc__, step.__name__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command


def main(step: Callable[..., Any]) -> None:
    """Run one step (``python -m ambivox.tasks.<step>``)."""
    application = app(step.__name__, "")
    application.default(command_of(step))
    sys.exit(run(application))


def run(application: App, arguments: list[str] | None = None) -> int:
    """Parse the arguments, run the command, and report how it ended.

    Returns:
        0 for success, 2 for a user's mistake (one line on standard error), 74 where the disk is full
        (likewise), 130 after Ctrl-C. With AMBIVOX_DEBUG set, a mistake shows its traceback too.
    """
    show_log()
    try:
        application(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command = " ".join(dict.fromkeys([application.name[0], *(error.command_chain or ())]))
        _logger.error(f"{' '.join(str(error).split())} See: {command} --help")
        return USER_MISTAKE
    except UserError as error:
        if os.environ.get("AMBIVOX_DEBUG"):
            raise
        _logger.error(str(error))
        return USER_MISTAKE
    except KeyboardInterrupt:
        _logger.error("interrupted; the same command resumes")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if not disk_is_full(error) or os.environ.get("AMBIVOX_DEBUG"):
            raise
        _logger.error(str(error))
        return DISK_FULL
    return 0


def show_log() -> None:
    """Show what the project logs: information on standard output, warnings and errors on standard error."""
    handlers: list[logging.Handler] = [_Terminal()]
    if path := os.environ.get(LOG_FILE):
        handlers.append(_LogFile(path, encoding="utf-8"))
    # A step that is run by ``python -m`` is called __main__.
    for name in ("ambivox", "__main__"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = handlers


class _Terminal(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.ERROR:
            print(f"ambivox: {message}", file=sys.stderr, flush=True)
        elif record.levelno >= logging.WARNING:
            print(f"ambivox: warning: {message}", file=sys.stderr, flush=True)
        else:
            print(message, flush=True)


class _LogFile(logging.FileHandler):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"level": record.levelname, "message": record.getMessage()})
