"""What commands show: information on standard output, warnings and errors on standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path

# Names a file that also gets everything a step logs, as JSON lines {"level", "message", "measured"}: the process that started the
# step shows it in the Prefect run, too.
LOG_FILE = "AMBIVOX_LOG_FILE"
# Names a file with the warnings that the steps of a run have shown: each is shown once per run.
SHOWN_WARNINGS = "AMBIVOX_SHOWN_WARNINGS"
# The least level that is shown: WARNING after --quiet, DEBUG after --verbose. Steps that a command starts inherit it.
LOG_LEVEL = "AMBIVOX_LOG_LEVEL"
# Figures of a message, by name, for ``extra`` of a logging call: who follows the log file gets them as numbers.
MEASURED = "measured"
# Without these, which are not printable, some scripts and emoji fall apart; line ends and tabs lay a message out.
_LAYOUT = "\n\t\u200c\u200d"
# A step that is run by ``python -m`` is called __main__.
_NAMES = ("ambivox", "__main__")


def set_output(quiet: bool, verbose: bool, as_json: bool) -> None:
    """Show more or less, and leave standard output to JSON if ``as_json`` is set."""
    if quiet or verbose:
        os.environ[LOG_LEVEL] = "WARNING" if quiet else "DEBUG"
    show_log(as_json)


def show_log(as_json: bool = False) -> None:
    """Show what the project logs; information goes to standard error where standard output is for JSON."""
    level = os.environ.get(LOG_LEVEL, "INFO")
    handlers: list[logging.Handler] = [_Terminal(as_json)]
    if path := os.environ.get(LOG_FILE):
        with contextlib.suppress(FileNotFoundError):  # its folder is gone where the project was removed
            handlers.append(_LogFile(path, encoding="utf-8"))
    for name in _NAMES:
        logger = logging.getLogger(name)
        logger.setLevel(level if level in ("DEBUG", "INFO", "WARNING") else "INFO")
        logger.propagate = False
        logger.handlers = handlers
    if level == "DEBUG":
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
        # A line per request would hide the rest.
        logging.getLogger("httpx").setLevel(logging.WARNING)


class _Terminal(logging.Handler):
    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        message = _without_control_characters(record.getMessage())
        if record.levelno >= logging.ERROR:
            # Whoever follows the log file shows the error, as the one line at the end.
            if not os.environ.get(LOG_FILE):
                print(f"ambivox: {message}", file=sys.stderr, flush=True)
        elif record.levelno >= logging.WARNING:
            if not _is_repeated(message):
                print(f"ambivox: warning: {message}", file=sys.stderr, flush=True)
        else:
            print(message, file=sys.stderr if self._as_json else sys.stdout, flush=True)


def _without_control_characters(message: str) -> str:
    """A message in which names from tables and servers are no commands for the terminal."""
    if message.isprintable():
        return message
    return "".join(sign if sign.isprintable() or sign in _LAYOUT else " " for sign in message)


def _is_repeated(message: str) -> bool:
    """Whether another step of the same run has shown a warning; remembers it."""
    name = os.environ.get(SHOWN_WARNINGS)
    if not name or not os.environ.get(LOG_FILE):  # not a step of a run
        return False
    line = json.dumps(message)
    try:
        with Path(name).open("a+", encoding="utf-8") as file:
            file.seek(0)
            if line in file.read().splitlines():
                return True
            file.write(f"{line}\n")
    except OSError:
        pass  # shown twice rather than not at all
    return False


class _LogFile(logging.FileHandler):
    def format(self, record: logging.LogRecord) -> str:
        measured = getattr(record, MEASURED, {})
        message = _without_control_characters(record.getMessage())
        return json.dumps({"level": record.levelname, "message": message, MEASURED: measured})
