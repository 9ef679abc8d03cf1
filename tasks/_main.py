"""Steps on the command line: flags from a step's signature and its options, one line for a user's mistake."""

from __future__ import annotations

import atexit
import contextlib
import importlib.metadata
import inspect
import logging
import os
import sys
import threading
import typing
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Parameter

from ambivox.models.errors import UNAVAILABLE, AddressSpaceError, OutageError, UserError, memory_is_full
from ambivox.models.file_errors import access_error, current_folder_error, disk_is_full
from ambivox.models.logs import set_output, show_log
from ambivox.models.number_ranges import check_options, check_ranges
from ambivox.models.processes.address_space import check_address_space
from ambivox.models.processes.caches import use_writable_caches
from ambivox.models.processes.children import end_children, end_with_this_process
from ambivox.models.processes.interruption import code_after_signal, exit_code, interruptible
from ambivox.tasks._command_words import checked_paths, parser_message, prepared_words

USER_MISTAKE = 2
# EX_OSERR and EX_IOERR of sysexits.h.
MEMORY_FULL = 71
DISK_FULL = 74
INTERRUPTED = 130
TERMINATED = 143
_LONGEST_DETAIL = 200
_logger = logging.getLogger("ambivox")


def app(name: str, summary: str) -> App:
    """A command-line application that imports nothing heavy for its help.

    A flag that takes several values takes them as words: ``--sources human pooled``.
    """
    return App(
        name=name,
        help=summary,
        help_format="markdown",
        version=_version,
        version_flags=("--version", "-V"),
        version_format="plaintext",
        result_action="return_none",
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(
            consume_multiple=(1, None), negative_iterable=(), show_default=_shown_default
        ),
    )


def _shown_default(value: Any) -> Any:
    """A default as one would type it; None, which is not shown, for no value."""
    if isinstance(value, tuple | list | dict | str) and not value:
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


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

    figures = getattr(sys.modules[step.__module__], "FIGURES", None)
    parameters += [parameter for parameter in _output_parameters() if figures or parameter.name != "json"]
    signature = inspect.Signature(parameters)

    def command(*positional: Any, **named: Any) -> Any:
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        as_json = bound.arguments.pop("json", False)
        set_output(bound.arguments.pop("quiet"), bound.arguments.pop("verbose"), as_json)
        check_address_space()
        _check_numbers(step, bound.arguments)
        bound.arguments.update(checked_paths(bound.arguments))
        end_with_this_process()
        result = step(*bound.args, **bound.kwargs)
        if as_json and figures:
            sys.stdout.write((Path(result) / figures).read_text(encoding="utf-8"))
        return result

    command.__doc__, command.__name__ = step.__doc__, step.__name__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command


def _check_numbers(step: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Check the numbers of a command line, those of a step's options included."""

    def flag(name: str) -> str:
        return f"--{name.replace('_', '-')}"

    check_ranges(typing.get_type_hints(step, include_extras=True), arguments, flag)
    for value in arguments.values():
        if is_dataclass(value):
            check_options(value, flag)


def _output_parameters() -> list[inspect.Parameter]:
    """Flags of every command: how much it says, and its figures for programs."""
    flags = {
        "quiet": ("--quiet", "-q", "Show warnings and errors only."),
        "verbose": ("--verbose", "-v", "Show details, and what libraries log."),
        "json": (
            "--json",
            "",
            "Write the step's figures to standard output as JSON, and everything else to standard error.",
        ),
    }
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[
                bool,
                Parameter(name=tuple(filter(None, (long, short))), negative=(), help=text, group="Output"),
            ],
        )
        for name, (long, short, text) in flags.items()
    ]


def _version() -> str:
    return f"ambivox {importlib.metadata.version('ambivox')}"


def main(step: Callable[..., Any]) -> None:
    """Run one step (``python -m ambivox.tasks.<step>``)."""
    application = app(step.__name__, "")
    application.default(command_of(step))
    execute(application)


def execute(application: App, arguments: list[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code; see ``run``.

    The interpreter is not torn down: triton's C++ part would print a page about objects that it leaked. Before, threads
    are waited for (but not after an outage), exit handlers are called and streams are flushed, as at every exit.
    """
    use_writable_caches()
    with interruptible():
        try:
            code = code_after_signal(run(application, arguments))
            if code < INTERRUPTED:
                # After an outage, threads would go on asking what is gone: Prefect's for minutes.
                if code != UNAVAILABLE:
                    threading._shutdown()  # type: ignore[attr-defined]
                atexit._run_exitfuncs()
        except KeyboardInterrupt as interruption:
            code = exit_code(interruption)
        code = code_after_signal(code)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a process may have been started without them
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    end_children(grace_seconds=1.0)
    os._exit(code)


def run(application: App, arguments: list[str] | None = None) -> int:
    """Parse the arguments, run the command, and report how it ended.

    Returns:
        0 for success, 2 for a user's mistake (one line on standard error), 69 where a server, a bucket or an engine
        failed (likewise; worth trying again), 71 and 74 where the memory or the disk is full (likewise), 130 after Ctrl-C, 143 after SIGTERM. With AMBIVOX_DEBUG set, a mistake shows its traceback too.
    """
    show_log()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        application(prepared_words(application, given), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command = " ".join(dict.fromkeys([application.name[0], *(error.command_chain or ())]))
        _logger.error(f"{parser_message(error)} See: {command} --help")
        return USER_MISTAKE
    except UserError as error:
        if os.environ.get("AMBIVOX_DEBUG"):
            raise
        _logger.error(str(error))
        if isinstance(error, AddressSpaceError):
            return MEMORY_FULL
        return UNAVAILABLE if isinstance(error, OutageError) else USER_MISTAKE
    except KeyboardInterrupt as interruption:
        return exit_code(interruption)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if os.environ.get("AMBIVOX_DEBUG"):
            raise
        if disk_is_full(error):
            _logger.error(str(error))
            return DISK_FULL
        if memory_is_full(error):
            detail = " ".join(str(error).split())[:_LONGEST_DETAIL] or "out of memory"
            _logger.error(
                f"not enough memory ({detail}); end other programs or use smaller batches or shards; the same command "
                "resumes"
            )
            return MEMORY_FULL
        if denied := current_folder_error(error) or access_error(error):
            _logger.error(str(denied))
            return USER_MISTAKE
        raise
    return 0
