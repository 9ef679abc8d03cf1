"""Measuring a row: methods that do the same work, each in a process of its own, in turns, with a warm-up.

A row names its methods, ours first. In every round each method runs once: a new process loads the inputs, calls the
method once as a warm-up, and then once with clocks. Ratios are taken within a round, in which the machine was in nearly
the same state, so that they say something on a machine that other jobs use, too. The results must be equal to the
row's tolerance.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyperf
from numpy.typing import NDArray

from ambivox.models.registry import find
from benchmarks import rows as row_modules

Call = Callable[[], Any]


@dataclass(frozen=True)
class Method:
    """One way to do a row's work.

    Attributes:
        says: what it does, in one sentence.
        load: loads the inputs from a folder, and returns the call that is measured.
        share: the share of the work that it does, where all of it would take too long; times are scaled up.
        array: what of the call's result is compared; outside the measured time.
        is_floor: it does only what every method has to, and has no result to compare.
    """

    says: str
    load: Callable[[Path], Call]
    share: float = 1.0
    array: Callable[[Any], NDArray[Any]] = np.asarray
    is_floor: bool = False


@dataclass(frozen=True)
class Row:
    """A comparison.

    Attributes:
        title: the work, with its size at scale 1.
        write_inputs: writes the inputs into a folder, for a scale.
        methods: by name, ours first. The result of a method with a share is the beginning of the others'.
        tolerance: the largest difference of results that counts as equal.
        targets: per alternative, its time divided by ours, at least.
        items: how many items the work has, at scale 1; for the rate.
        most_mib: the memory that our method may take, at scale 1.
    """

    title: str
    write_inputs: Callable[[Path, float], None]
    methods: Mapping[str, Method]
    tolerance: float
    targets: Mapping[str, float]
    items: int
    most_mib: float | None = None


@dataclass
class Measured:
    """What was measured of one method, a number per round, for all of the work.

    Attributes:
        seconds: wall-clock time.
        processor: processor time of all threads.
        mib: the process's largest memory, inputs included.
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)


def row_named(name: str) -> Row:
    """A row by the name of its file.

    Args:
        name: such as ``votes``.

    Raises:
        UserError: there is no such row; the message lists them.
    """
    module: ModuleType = find(row_modules, name, "row")
    row: Row = module.ROW
    return row


def measure(name: str, folder: Path, scale: float, rounds: int) -> dict[str, Any]:
    """Measure a row.

    Args:
        name: of the row.
        folder: an empty folder for inputs and results.
        scale: of the work.
        rounds: how often each method is measured.

    Returns:
        JSON values: the row's texts, per method medians and spread, and the ratios of the alternatives to ours.

    Raises:
        RuntimeError: a method fails.
        AssertionError: results differ by more than the tolerance.
    """
    row = row_named(name)
    row.write_inputs(folder, scale)
    measured = {method: Measured() for method in row.methods}
    for _ in range(rounds):
        for method, figures in measured.items():
            seconds, processor, mib = _in_child(name, method, folder)
            figures.seconds.append(seconds / row.methods[method].share)
            figures.processor.append(processor / row.methods[method].share)
            figures.mib.append(mib)
    ours = next(iter(row.methods))
    compared = [name for name, method in row.methods.items() if name != ours and not method.is_floor]
    difference = max((_difference(folder, ours, name) for name in compared), default=0.0)
    assert difference <= row.tolerance, f"{name}: results differ by {difference:g}, at most {row.tolerance:g}"
    return {
        "title": row.title,
        "scale": scale,
        "items": round(row.items * scale),
        "rounds": rounds,
        "difference": difference,
        "tolerance": row.tolerance,
        "most_mib": row.most_mib,
        "targets": dict(row.targets),
        "methods": {
            method: {"says": row.methods[method].says, "share": row.methods[method].share} | _summary(figures)
            for method, figures in measured.items()
        },
        "ratios": {
            method: {
                "processor": _spread(_ratios(figures.processor, measured[ours].processor)),
                "seconds": _spread(_ratios(figures.seconds, measured[ours].seconds)),
                "mib": max(figures.mib) / max(measured[ours].mib),
            }
            for method, figures in measured.items()
            if method != ours
        },
        "machine": _machine(),
    }


def run_child(name: str, method: str, folder: Path) -> None:
    """Measure one call in this process, print the figures as JSON, and write the result."""
    measured = row_named(name).methods[method]
    call = measured.load(folder)
    call()
    began, processor = time.perf_counter(), time.process_time()
    result = call()
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not measured.is_floor:
        np.save(_result_path(folder, method), measured.array(result))
    print(json.dumps([seconds, processor, mib]))


def _in_child(name: str, method: str, folder: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "benchmarks.run", name, "--method", method, "--folder", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"{name}, {method}: {process.stderr.strip()[-2000:]}")
    seconds, processor, mib = json.loads(process.stdout.splitlines()[-1])
    return seconds, processor, mib


def _difference(folder: Path, ours: str, other: str) -> float:
    """The largest difference of two results, over the rows that both have."""
    first, second = (np.load(_result_path(folder, method)) for method in (ours, other))
    rows = min(len(first), len(second))
    assert rows, "nothing to compare"
    return float(np.abs(first[:rows].astype(np.float64) - second[:rows].astype(np.float64)).max())


def _result_path(folder: Path, method: str) -> Path:
    return folder / f"result of {method}.npy"


def _summary(figures: Measured) -> dict[str, Any]:
    run = pyperf.Run(figures.seconds, collect_metadata=False, metadata={"name": "row"})
    benchmark = pyperf.Benchmark([run])
    return {
        "seconds": benchmark.median(),
        "seconds_mad": benchmark.median_abs_dev(),
        "processor": statistics.median(figures.processor),
        "mib": max(figures.mib),
    }


def _ratios(others: list[float], ours: list[float]) -> list[float]:
    return [other / our for other, our in zip(others, ours, strict=True)]


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _machine() -> dict[str, Any]:
    """Processor, cores, load and date, as pyperf finds them; versions of what does the work."""
    from importlib.metadata import version

    found = pyperf.Run([1.0], metadata={"name": "row"}).get_metadata()
    chosen = {
        key: found[key]
        for key in ("cpu_model_name", "cpu_count", "load_avg_1min", "platform")
        if key in found
    }
    versions = {package: version(package) for package in ("numpy", "polars", "pyarrow", "scipy", "torch")}
    return {**chosen, "python": sys.version.split()[0], "date": str(found["date"])[:10], "versions": versions}
