"""Running one step from the command line: flags from its signature, one line and exit code 2 for a user's mistake."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from cyclopts import App, CycloptsError, Parameter

from ambivox.models.errors import UserError
from ambivox.models.files import disk_is_full

USER_MISTAKE = 2
# EX_IOERR of sysexits.h.
DISK_FULL = 74
INTERRUPTED = 130


def app(name: str, summary: str) -> App:
    """A command-line application whose results are not printed and whose help loads nothing heavy.

    A flag that takes several values takes them one after the other: ``--sources human pooled``.
    """
    return App(
        name=name,
        help=summary,
        help_format="plaintext",
        version_flags=(),
        result_action="return_none",
        default_parameter=Parameter(consume_multiple=True),
    )


def main(step: Callable[..., Any]) -> None:
    """Run one step (``python -m tasks.<step>``)."""
    alone = app(step.__name__, "")
    alone.default(step)
    sys.exit(run(alone))


def run(application: App, arguments: list[str] | None = None) -> int:
    """Parse the arguments, run the command, and say how it went.

    Returns:
        0 when it went well, 2 for a user's mistake (one line on standard error), 74 where the disk is full
        (likewise), 130 after Ctrl-C. With AMBIVOX_DEBUG set, a mistake shows its traceback too.
    """
    try:
        application(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        asked = " ".join(dict.fromkeys([application.name[0], *(error.command_chain or ())]))
        print(f"ambivox: {' '.join(str(error).split())} See: {asked} --help", file=sys.stderr)
        return USER_MISTAKE
    except UserError as error:
        if os.environ.get("AMBIVOX_DEBUG"):
            raise
        print(f"ambivox: {error}", file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        print("ambivox: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if not disk_is_full(error) or os.environ.get("AMBIVOX_DEBUG"):
            raise
        print(f"ambivox: {error}", file=sys.stderr)
        return DISK_FULL
    return 0
