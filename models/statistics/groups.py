"""Groups of utterances that belong together, such as those of one speaker: numbers for them, and sums over each.

Utterances without a speaker are groups of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ambivox.models.counted import counted

FEW_GROUPS = 6  # speakers below which an interval or a test says little
GroupIds = Sequence[str | None] | np.ndarray


def group_index(groups_N: GroupIds | None, rows: int) -> np.ndarray:
    """A group number per row, ``group_N``, from 0 up.

    Args:
        groups_N: a group per row, by name or as numbers, which take a fraction of the time; None makes every row a
            group, and so does a None among them for its row.
        rows: N.

    Examples:
        >>> group_index(["a", "b", "a"], 3).tolist()
        [0, 1, 0]
    """
    if groups_N is None:
        return np.arange(rows)
    if isinstance(groups_N, np.ndarray) and np.issubdtype(groups_N.dtype, np.integer):
        return _without_gaps(groups_N)
    names = list(groups_N)
    distinct = set(names)
    texts = sorted({str(name) for name in distinct if name is not None})
    index = {text: number for number, text in enumerate(texts)}
    number: dict[object, int] = {name: index[str(name)] for name in distinct if name is not None}
    if None not in distinct:
        return np.fromiter(map(number.__getitem__, names), dtype=np.int64, count=rows)
    alone = sorted((row for row, name in enumerate(names) if name is None), key=str)
    of_row = {row: len(texts) + place for place, row in enumerate(alone)}
    numbers = [of_row[row] if name is None else number[name] for row, name in enumerate(names)]
    return np.array(numbers, dtype=np.int64)


def _without_gaps(number_N: np.ndarray) -> np.ndarray:
    """Whole numbers as numbers from 0 up, in their order."""
    least, most = (number_N.min(), number_N.max()) if len(number_N) else (0, 0)
    if most - least > 10 * len(number_N):
        return np.unique(number_N, return_inverse=True)[1]
    is_used_G = np.bincount(number_N - least) > 0
    number_G: np.ndarray = np.cumsum(is_used_G) - 1
    return number_N - least if is_used_G.all() else number_G[number_N - least]


def group_sums(score_NS: np.ndarray, group_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of scores and numbers of utterances per group.

    Args:
        score_NS: one score per utterance and system.
        group_N: a group number per utterance, see ``group_index``.

    Returns:
        ``(sums_GS, count_G)``.

    Examples:
        >>> sums_GS, count_G = group_sums(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]))
        >>> sums_GS.tolist(), count_G.tolist()
        ([[5.0], [2.0]], [2.0, 1.0])
    """
    sums = [np.bincount(group_N, weights=column_N) for column_N in score_NS.T]
    return np.stack(sums, axis=1), np.bincount(group_N).astype(np.float64)


def few_groups(speakers: int) -> str | None:
    """A warning where intervals and tests rest on fewer than FEW_GROUPS speakers.

    Args:
        speakers: how many are known.

    Returns:
        One sentence without a full stop; None where there are enough.

    Examples:
        >>> few_groups(3)
        'only 3 speakers: intervals are wide, and say little about other speakers'
        >>> few_groups(1)
        'there is only 1 speaker: no interval over speakers can be given'
    """
    if speakers >= FEW_GROUPS:
        return None
    if speakers < 2:
        reason = "there is only 1 speaker" if speakers else "no speaker is known"
        return f"{reason}: no interval over speakers can be given"
    return f"only {counted(speakers, 'speaker')}: intervals are wide, and say little about other speakers"
