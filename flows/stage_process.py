"""One stage in a process of its own: ``python -m ambivox.flows.stage_process ADDRESS [--force]``.

The exit code is that of the stage's command, or 75 (EX_TEMPFAIL) where another process holds DVC's lock. The
command writes its progress bars and error lines directly to the terminal.
"""

from __future__ import annotations

import logging
import re
import signal
import sys

LOCK_HELD = 75
_EXIT_CODE = re.compile(r"exited with (-?\d+)")


def main(arguments: list[str]) -> int:
    """Bring one stage up to date through DVC; returns the exit code."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    # DVC logs advice for users of its own command line.
    logging.getLogger("dvc").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    address, force = arguments[0], "--force" in arguments[1:]
    try:
        with Repo() as repo:
            repo.reproduce(address, single_item=True, force=force)
    except LockError:
        return LOCK_HELD
    except DvcException as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, LockError):
                return LOCK_HELD
            if match := _EXIT_CODE.search(str(cause)):
                return int(match[1])
            cause = cause.__cause__
        print(f"ambivox: DVC: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
