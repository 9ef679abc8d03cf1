"""The address space that a process may have (``ulimit -v``): libraries reserve more of it than they use.

OpenBLAS, which numpy and scipy hold a copy of each, asks again without end where it gets no buffer for a thread. So a
limit that is too low is found before the libraries are loaded.
"""

from __future__ import annotations

import os
import sys

from ambivox.models.errors import AddressSpaceError

_BYTES = 3 * 2**30
# Buffers of 32 MiB in two copies of OpenBLAS, and the stacks and heaps of the libraries' pools of threads.
_BYTES_PER_THREAD = 2**29
_MOST_THREADS = 64


def check_address_space() -> None:
    """Check that the libraries can be loaded.

    Raises:
        AddressSpaceError: The limit leaves less than they reserve.
    """
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = _BYTES + min(os.cpu_count() or 1, _MOST_THREADS) * _BYTES_PER_THREAD
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise AddressSpaceError(
            f"the address space is limited to {limit // 2**20:,} MiB (ulimit -v), and libraries reserve up to "
            f"{needed // 2**20:,} MiB on this machine; raise the limit with: ulimit -v {needed // 2**10}"
        )
