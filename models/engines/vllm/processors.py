"""Whether vLLM can ask this machine for its cores: on a CPU under Linux it reads them from lscpu, which reads /sys."""

from __future__ import annotations

import subprocess
import sys

from ambivox.models.errors import UserError

_COMMAND = ("lscpu", "--json", "--extended=CPU,CORE,NODE", "--online")  # vLLM's own
_SECONDS = 20


def check_processors() -> None:
    """Check that lscpu names the cores: without them vLLM raises errors that do not say why.

    Raises:
        UserError: There is no lscpu, or it cannot read /sys, as in a chroot without one.
    """
    if sys.platform != "linux":
        return
    try:
        done = subprocess.run(_COMMAND, capture_output=True, text=True, check=False, timeout=_SECONDS)
        reason = "" if done.returncode == 0 and _has_cores(done.stdout) else done.stderr.strip() or "no cores"
    except FileNotFoundError:
        reason = "no such command"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        raise UserError(
            f"vLLM asks lscpu for the cores of this machine, and it does not answer ({' '.join(reason.split())}); mount /sys, "
            "install it (on Debian and Ubuntu: apt install util-linux), or use --engine transformers"
        )


def _has_cores(output: str) -> bool:
    # A number that is not known is a dash, which is no JSON.
    return '"cpu"' in output
