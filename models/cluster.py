"""Batches of independent work: on threads of this process, or on all nodes of a Ray cluster.

Where work runs changes no result, so it is no option of a step: AMBIVOX_RAY_ADDRESS names the cluster, for every step that
uses this module. Its nodes need the same version of Ambivox, and must find the recordings under the same paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ambivox.models.errors import MissingExtraError, OutageError, first_line
from ambivox.models.parallel import one_blas_thread, results_in_order

#: The address of the cluster, such as auto or 10.0.0.1:6379; empty for this process.
ADDRESS = "AMBIVOX_RAY_ADDRESS"
_WAITING_PER_CORE = 4  # batches that are submitted and not yet fetched

X = TypeVar("X")
T = TypeVar("T")


def map_batches(
    function: Callable[[Sequence[X]], list[T]], batches: Sequence[Sequence[X]], threads: int
) -> Iterator[list[T]]:
    """Apply a function to batches.

    Args:
        function: A function of a module, whose results depend on the batch alone.
        batches: The arguments.
        threads: How many threads of this process run at the same time, where no cluster is named. BLAS has one in each.

    Yields:
        The results, in the order of ``batches``. A batch that is lost with its node runs again on another one.

    Raises:
        MissingExtraError: A cluster is named, and Ray is not installed.
        OutageError: There is no cluster at the address, or it is lost.
    """
    address = os.environ.get(ADDRESS, "").strip()
    if address and batches:
        yield from _on_ray(function, batches, address)
        return
    with ThreadPoolExecutor(threads) as pool, one_blas_thread():
        yield from pool.map(function, batches)


def _on_ray(
    function: Callable[[Sequence[X]], list[T]], batches: Sequence[Sequence[X]], address: str
) -> Iterator[list[T]]:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    was_connected = ray.is_initialized()
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error")
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        raise OutageError(
            f"the Ray cluster at {address} ({ADDRESS}) cannot be used ({first_line(error)}); start it, and run this on one of "
            f"its nodes, or unset {ADDRESS}"
        ) from error
    run: Any = ray.remote(_alone)
    most_waiting = max(1, round(_WAITING_PER_CORE * ray.cluster_resources().get("CPU", 1.0)))
    try:
        yield from results_in_order((run.remote(function, batch).future() for batch in batches), most_waiting)
    except ray.exceptions.RayTaskError as error:  # the function's own error, as on this machine
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise OutageError(
            f"the Ray cluster at {address} ({ADDRESS}) was lost ({first_line(error)}); run the same command again"
        ) from error
    finally:
        if not was_connected:
            ray.shutdown()


def _alone(function: Callable[[Sequence[X]], list[T]], batch: Sequence[X]) -> list[T]:
    """What a worker of the cluster does: one core is reserved for it."""
    with one_blas_thread():
        return function(batch)
