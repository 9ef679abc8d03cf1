"""The command ``ambivox``: every step of tasks/ and every command of flows/commands/, from their signatures.

Steps and commands import nothing heavy before they run, so ``--help`` answers at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from ambivox.models.processes.interruption import exit_code, interruptible

if TYPE_CHECKING:
    from cyclopts import App

SUMMARY = """Trustworthy emotion distributions for speech: human votes, audio-language models (ALMs) as
synthetic annotators, and the statistics between them. Start with: ambivox run"""


def build() -> App:
    """The whole application: commands that run the pipeline, then its steps."""
    import ambivox.flows.commands
    import ambivox.tasks
    from ambivox.models.registry import keys
    from ambivox.tasks._main import app, command_of

    application = app("ambivox", SUMMARY)
    for package, group in ((ambivox.flows.commands, "Pipeline"), (ambivox.tasks, "Steps")):
        for key in keys(package):
            module = importlib.import_module(f"{package.__name__}.{key}")
            application.command(command_of(getattr(module, key)), name=key.replace("_", "-"), group=group)
    application.register_install_completion_command(
        help="Install completion for this shell and exit.", group="Session"
    )
    return application


def main() -> None:
    """Entry point of the console script."""
    if sys.platform == "win32":
        print(
            "ambivox: on Windows, Ambivox runs in WSL: https://learn.microsoft.com/windows/wsl/install",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        # Ctrl-C is one line from here on, while libraries are imported, too.
        with interruptible():
            application = build()
            from ambivox.tasks._main import execute
    except KeyboardInterrupt as interruption:
        sys.exit(exit_code(interruption))
    execute(application, sys.argv[1:])


if __name__ == "__main__":
    main()
