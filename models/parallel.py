"""Work on threads, with results in order: a function on many file names in batches, and calls that wait for a server.

And its opposite: code on small arrays that costs less on one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

from ambivox.models.progress import track

T = TypeVar("T")
# A future per file would cost more than reading a small file.
_BATCH = 512


def map_in_batches(
    pool: ThreadPoolExecutor, function: Callable[[str], T], names: Sequence[str], description: str
) -> Iterator[T]:
    """Apply ``function`` to every name; one future per batch of names.

    Args:
        pool: The threads.
        function: Called once per name.
        names: The arguments.
        description: The text of the progress bar.

    Yields:
        The results, in the order of ``names``.
    """
    batches = in_batches(names)
    finished = pool.map(lambda batch: [function(name) for name in batch], batches)
    for results in track(finished, description, total=len(batches)):
        yield from results


def in_batches(files: Sequence[T]) -> list[Sequence[T]]:
    """Divide what stands for files into batches that are worth a future each.

    Args:
        files: One entry per file.

    Returns:
        The batches, in order.
    """
    return [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]


def in_parallel(calls: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """Make calls at the same time; the first failure is raised, and calls that have not started are dropped.

    Args:
        calls: What to call; consumed as threads become free.
        threads: How many calls are made at the same time.

    Yields:
        The results, in the order of ``calls``.
    """
    with ThreadPoolExecutor(threads) as pool:
        # The queue holds twice as many calls as there are threads, so that no thread waits for a request.
        yield from results_in_order((pool.submit(call) for call in calls), 2 * threads)


def results_in_order(futures: Iterable[Future[T]], most_waiting: int) -> Iterator[T]:
    """Wait for work that is submitted as it is consumed; work that has not started is dropped after a failure.

    Args:
        futures: Submits a piece of work each time the next one is asked for.
        most_waiting: How many pieces are submitted and not yet fetched.

    Yields:
        The results, in the order of ``futures``.
    """
    waiting: deque[Future[T]] = deque()
    try:
        for future in futures:
            waiting.append(future)
            if len(waiting) >= most_waiting:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, as a context manager or as a decorator of a function.

    In products of tall and narrow matrices, and in thousands of small ones, the other threads spend their time waiting
    for each other. The limit holds for the whole process while the context lasts.
    """
    with threadpool_limits(1, "blas"):
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread in the calling thread, as a context manager or as a decorator of a function.

    For work on one short clip, such as a log-mel spectrogram, starting and joining threads costs more than the work; while
    other processes use the cores, waiting for them costs many times as much.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
