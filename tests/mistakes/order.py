"""The order of cases: a part of them, from the beginning, is spread over commands, options and kinds of mistake."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from tests.mistakes.command_lines import WrongLine


def spread(cases: Sequence[WrongLine], seed: int) -> list[WrongLine]:
    """The cases in rounds: each has one case, at random, of every option and file of every command.

    Args:
        cases: The cases.
        seed: Of the order.
    """
    generator = random.Random(seed)
    groups: dict[tuple[str, str, str], list[WrongLine]] = defaultdict(list)
    for case in cases:
        file = case.mistake.partition(":")[0]
        groups[case.words[0], case.option, file].append(case)
    for group in groups.values():
        generator.shuffle(group)
    rounds: list[WrongLine] = []
    for number in range(max(map(len, groups.values()), default=0)):
        together = [group[number] for group in groups.values() if number < len(group)]
        generator.shuffle(together)
        rounds += together
    return rounds
