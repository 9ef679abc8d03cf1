"""One stage in a process of its own: ``python -m ambivox.flows.stage_process ADDRESS [--force]``.

The exit code is that of the stage's command, or 75 (EX_TEMPFAIL) where another process holds DVC's lock. The
command writes its progress bars and error lines directly to the terminal.
"""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
from pathlib import Path

from ambivox.models.dvc_files import keep_lock_file, recover, repo_config
from ambivox.models.file_errors import current_folder_error
from ambivox.models.logs import show_log
from ambivox.tasks._main import USER_MISTAKE

LOCK_HELD = 75
_EXIT_CODE = re.compile(r"exited with (-?\d+)")


def main(arguments: list[str]) -> int:
    """Bring one stage up to date through DVC; returns the exit code."""
    show_log()
    is_terminated = threading.Event()
    # The stage's command gets the same signal. DVC then sees it fail, and leaves its own files in order.
    signal.signal(signal.SIGTERM, lambda *_: is_terminated.set())
    code = _reproduce(arguments[0], force="--force" in arguments[1:])
    return 128 + signal.SIGTERM if is_terminated.is_set() else code


def _reproduce(address: str, force: bool) -> int:
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    # DVC logs advice for users of its own command line.
    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        keep_lock_file(Path())
        recover(Path())
        with Repo(config=repo_config(Path())) as repo:
            repo.reproduce(address, single_item=True, force=force)
    except LockError:
        return LOCK_HELD
    except FileNotFoundError as error:
        if mistake := current_folder_error(error):
            logging.getLogger(__name__).error(str(mistake))
            return USER_MISTAKE
        raise
    except DvcException as error:
        cause: BaseException | None = error
        reasons = []
        while cause is not None:
            reasons.append(" ".join(str(cause).split()))
            if isinstance(cause, LockError):
                return LOCK_HELD
            if match := _EXIT_CODE.search(str(cause)):
                # A process that a signal ended has a negative code, of which the system would keep the last byte.
                code = int(match[1])
                return code if code >= 0 else 128 - code
            cause = cause.__cause__
        logging.getLogger(__name__).error(f"DVC: {': '.join(dict.fromkeys(reasons))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
