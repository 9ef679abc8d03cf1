"""The long form: one process runs case after case of all parsers; inputs with a new outcome are mutated further.

Hypothesis, which draws the cases of the short form, takes longer for a case than most parsers do. Each case has a number, which seeds its mutation. A parser's progress is kept in a file, so a campaign that was stopped
or crashed continues after the last case.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzzing.campaign import Faults, Outcome, Parser, run_case
from tests.fuzzing.case_record import Case, CaseRecord
from tests.fuzzing.mutation import mutate

_SECONDS_PER_TURN = 20.0
_CASES_BETWEEN_CLOCKS = 16
_LARGEST_CORPUS = 500


@dataclass
class Progress:
    """What has been run of one parser: cases, refusals, processor seconds, and how often each kind of fault occurred."""

    cases: int = 0
    refused: int = 0
    outcomes: int = 0
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path, name: str) -> Progress:
        """The progress that was saved, or none."""
        path = out / f"{name}.json"
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, out: Path, name: str) -> None:
        """Write it to a folder."""
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(asdict(self)))


def run_turns(
    parsers: dict[str, Parser],
    cases: int,
    seconds: float,
    seed: int,
    out: Path,
    folder: Path,
    record: CaseRecord,
) -> None:
    """Give every parser turns of some seconds until it has had its cases.

    Args:
        parsers: The parsers.
        cases: Per parser.
        seconds: Processor seconds per parser, after which it gets no further turn.
        seed: Equal seeds give equal mutations.
        out: Where progress and inputs that are faults are kept.
        folder: A folder that the parsers write to.
        record: Where each case is noted before it is run.
    """
    corpora = {name: _Corpus(parser.seeds) for name, parser in parsers.items()}
    indices = {name: index for index, name in enumerate(parsers)}
    for name in parsers:
        (folder / name).mkdir(exist_ok=True)
    left = sorted(parsers, key=lambda name: _seconds_of_a_few(parsers[name], folder / name))
    while left:
        for name in list(left):
            progress, index, place = Progress.read(out, name), indices[name], folder / name
            _turn(parsers[name], corpora[name], progress, cases, seed, place, (record, index), out / name)
            progress.save(out, name)
            record.write(Case(-1, 0, time.monotonic(), b""))
            if progress.cases >= cases or progress.seconds >= seconds:
                left.remove(name)
                print(line(name, progress), flush=True)


def line(name: str, progress: Progress) -> str:
    """A parser's progress, as it is shown."""
    rate = progress.cases / max(progress.seconds, 1e-9)
    text = f"{name}: {progress.cases:,} cases, {rate:,.0f} per processor second, {progress.refused:,} refused"
    text += f" in {progress.outcomes} ways, {sum(progress.faults.values()):,} faults"
    return "\n".join([text, *(f"  {count:,} x {kind}" for kind, count in sorted(progress.faults.items()))])


def keep(out: Path, kind: str, content: bytes) -> None:
    """Keep the smallest input of a kind of fault."""
    place = out / hashlib.sha256(kind.encode()).hexdigest()[:8]
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists() or place.stat().st_size > len(content):
        place.write_bytes(content)
        place.with_suffix(".txt").write_text(kind)


class _Corpus:
    """Valid inputs, and those which ended in a way that no earlier one had."""

    def __init__(self, seeds: tuple[bytes, ...]) -> None:
        self._seeds = seeds
        self._grown: list[bytes] = []
        self._outcomes: set[Outcome] = {None}

    def draw(self, rng: random.Random) -> bytes:
        """An input."""
        chance = rng.random()
        if chance < 0.04:
            return rng.randbytes(rng.randrange(200))
        if chance < 0.08:
            return "".join(map(chr, rng.choices(range(1, 0x3000), k=rng.randrange(100)))).encode()
        is_grown = self._grown and chance < 0.5
        return mutate(rng.choice(self._grown if is_grown else self._seeds), rng)

    def note(self, content: bytes, outcome: Outcome) -> bool:
        """Take in an input with a new outcome; whether it is one."""
        if outcome in self._outcomes:
            return False
        self._outcomes.add(outcome)
        if len(self._grown) < _LARGEST_CORPUS:
            self._grown.append(content)
        return True


def _seconds_of_a_few(parser: Parser, folder: Path) -> float:
    """How long some valid inputs take, after a first one; the fastest parser has its turn first."""
    faults = Faults()
    run_case(parser, parser.seeds[0], folder, faults)
    started = time.process_time()
    for content in (parser.seeds * 5)[:5]:
        run_case(parser, content, folder, faults)
    return time.process_time() - started


def _turn(
    parser: Parser, corpus: _Corpus, progress: Progress, cases: int, seed: int, folder: Path,
    at: tuple[CaseRecord, int], out: Path,
) -> None:  # fmt: skip
    faults, rng, (record, index) = Faults(), random.Random(), at
    started, before = time.process_time(), progress.seconds
    for number in _numbers(progress.cases, cases, started):
        rng.seed(seed * 2**40 + number)
        content = corpus.draw(rng)
        record.write(Case(index, number, time.monotonic(), content))
        progress.outcomes += corpus.note(content, run_case(parser, content, folder, faults))
    progress.cases += faults.cases
    progress.refused += faults.refused
    progress.seconds = before + time.process_time() - started
    for kind, count in faults.counts.items():
        progress.faults[kind] = progress.faults.get(kind, 0) + count
        keep(out, kind, faults.inputs[kind])


def _numbers(first: int, end: int, started: float) -> Iterator[int]:
    for number in range(first, end):
        if number % _CASES_BETWEEN_CLOCKS == 0 and time.process_time() - started > _SECONDS_PER_TURN:
            return
        yield number
