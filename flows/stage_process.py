"""One stage in a process of its own: ``python -m ambivox.flows.stage_process ADDRESS [--force]``.

The exit code is the stage command's own, or 75 (EX_TEMPFAIL) where another process holds DVC's lock; the
terminal belongs to the command, whose progress bars and error lines pass through untouched.
"""

from __future__ import annotations

import logging
import re
import signal
import sys

LOCK_HELD = 75
_FAILED = re.compile(r"exited with (-?\d+)")


def main(arguments: list[str]) -> int:
    """Bring one stage up to date through DVC and translate how it went into an exit code."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    # DVC's advice on what to type next is for its own command line.
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
            if failed := _FAILED.search(str(cause)):
                return int(failed[1])
            cause = cause.__cause__
        print(f"ambivox: DVC: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
