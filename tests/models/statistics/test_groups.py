"""Group numbers, and the warning about few groups."""

from __future__ import annotations

import numpy as np

from ambivox.models.statistics.groups import few_groups, group_index


def test_few_speakers_are_pointed_out() -> None:
    assert few_groups(6) is None
    assert few_groups(5) == "only 5 speakers: intervals are wide, and say little about other speakers"
    assert few_groups(1) == "there is only 1 speaker: no interval over speakers can be given"
    assert few_groups(0) == "no speaker is known: no interval over speakers can be given"


def test_group_numbers_follow_the_names_and_unknown_groups_are_alone() -> None:
    rng = np.random.default_rng(0)
    names = [f"s{number}" if number else None for number in rng.integers(0, 30, 500)]
    names[3:5] = ["Ünal", "r7"]
    texts = [f"g{name}" if name is not None else f"r{row}" for row, name in enumerate(names)]
    expected = np.unique(texts, return_inverse=True)[1]
    assert group_index(names, 500).tolist() == expected.tolist()
    assert group_index(np.array(["b", "a", "b"]), 3).tolist() == [1, 0, 1]
    assert group_index([], 0).tolist() == []
    for numbers in ([7, 3, 7, 5], [10**12, -4, 10**12, 0], [2, 0, 2, 1]):
        assert group_index(np.array(numbers), 4).tolist() == [2, 0, 2, 1]
    assert group_index(np.zeros(0, dtype=np.int64), 0).tolist() == []
