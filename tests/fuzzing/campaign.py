"""Running cases against one parser, and telling what counts as a fault."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import hypothesis
from hypothesis import strategies as st

from ambivox.models.errors import UserError
from tests.fuzzing.mutation import mutate

# Of computing; on a busy machine, a harmless case may take as long by the clock. A case that waits may take the second.
SECONDS_PER_CASE = 5.0
_SECONDS_BY_THE_CLOCK = 60.0
BYTES_PER_CASE = 2**30
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Parser:
    """A parser at the edge.

    Attributes:
        read: Reads a content; the folder is empty and is its own.
        seeds: Valid contents.
        allowed: Exceptions that are part of its contract beside UserError.
        message: Whether the text of a UserError must be one printable line.
    """

    read: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    allowed: tuple[type[Exception], ...] = ()


# How a case ended: the type of the error and the line that raised it; nothing where the content was read.
Outcome = tuple[type[BaseException], CodeType | None, int] | None


def _lowest_peak() -> int:
    """The most memory that the process has held, in bytes, from now on (Linux) or from its start."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass
class Faults:
    """What went wrong: a smallest input per kind of fault, and how often each occurred."""

    inputs: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cases: int = 0
    refused: int = 0
    memory: int = field(default_factory=_lowest_peak)

    def add(self, kind: str, content: bytes) -> None:
        """Note a fault."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind not in self.inputs or len(content) < len(self.inputs[kind]):
            self.inputs[kind] = content


class HangError(BaseException):
    """A case took too long; no ``except Exception`` of the parser catches it."""


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HangError

    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, SECONDS_PER_CASE),
        signal.SIGALRM: (signal.ITIMER_REAL, _SECONDS_BY_THE_CLOCK),
    }
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def run_case(parser: Parser, content: bytes, folder: Path, faults: Faults) -> Outcome:
    """Give one content to a parser; note an unhandled error, a hang, or much memory. Returns how it ended."""
    faults.cases += 1
    outcome: Outcome = None
    try:
        with _alarm():
            parser.read(content, folder)
    except UserError as error:
        faults.refused += 1
        outcome = _outcome(error)
        if "\n" in str(error).strip():
            faults.add("a message of several lines: " + _place(error), content)
    except parser.allowed as error:
        faults.refused += 1
        outcome = _outcome(error)
    except HangError as error:
        faults.add("a hang: " + _place(error), content)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of a library is no Exception
        faults.add(f"{type(error).__name__}: " + _place(error), content)
    grown = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - faults.memory
    if grown > BYTES_PER_CASE:
        faults.add("memory", content)
        faults.memory = _lowest_peak()
    return outcome


def _outcome(error: BaseException) -> Outcome:
    code, line, trace = None, 0, error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if "/models/" in filename or "/flows/" in filename:
            code, line = trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
    return type(error), code, line


def _place(error: BaseException) -> str:
    """The innermost line of this project's code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/models/" in frame.filename or "/flows/" in frame.filename]
    own = [frame for frame in own if "site-packages" not in frame.filename]
    frame = own[-1] if own else frames[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


def run_campaign(
    parser: Parser, cases: int, seed: int, folder: Path, seconds: float = float("inf")
) -> Faults:
    """Run random cases; hypothesis draws them.

    Args:
        parser: The parser.
        cases: How many.
        seed: Equal seeds give equal cases.
        folder: A folder to write to.
        seconds: After so many, no further case is run.

    Returns:
        What was found.
    """
    faults, deadline = Faults(), time.monotonic() + seconds
    mutated = st.builds(
        lambda index, number: mutate(parser.seeds[index], random.Random(number)),
        st.integers(0, len(parser.seeds) - 1),
        st.integers(0, 2**48),
    )
    contents = st.one_of(mutated, mutated, mutated, mutated, st.binary(max_size=200), _texts())

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(contents)
    def run(content: bytes) -> None:
        if time.monotonic() > deadline:
            return
        run_case(parser, content, folder, faults)

    run()
    return faults


def _texts() -> st.SearchStrategy[bytes]:
    return st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
