"""Asking something of very many files: on threads, in batches, in order, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ambivox.models.progress import track

T = TypeVar("T")
_BATCH = 512


def spread(
    pool: ThreadPoolExecutor, function: Callable[[str], T], names: Sequence[str], what: str
) -> Iterator[T]:
    """``function`` of every name, in order. One future a batch: one a file costs more than reading a small file."""
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    done = pool.map(lambda batch: [function(name) for name in batch], batches)
    for results in track(done, what, total=len(batches)):
        yield from results
