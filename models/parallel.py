"""Applying a function to many file names on threads, in batches, in order, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    finished = pool.map(lambda batch: [function(name) for name in batch], batches)
    for results in track(finished, description, total=len(batches)):
        yield from results
