"""DiME-Aug's 72 acoustic features: our code, with one Fourier transform, against one librosa call per feature.

All methods get the same recordings, and their results must agree. A first pass of each is not counted (filters, compiled
code). BLAS has one thread, so the first two methods use one core each. Their ratio is given for wall-clock time and for
processor time, which other load on the machine changes less. The third method uses all cores, with recordings
distributed over threads as in ``augment``. Methods take turns, and the fastest round of each counts.

    python -m benchmarks.features [--root ../shared/crema-d] [--count 120] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from ambivox.models.audio.decoding import decode
from ambivox.models.augmentation.acoustic_features import acoustic_features
from ambivox.models.augmentation.framing import RATE_HZ, blocks, frame_count

Samples = np.ndarray


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("../shared/crema-d"))
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    recordings, origin = _recordings(arguments.root, arguments.count)
    workers = os.cpu_count() or 1
    batches = [recordings[block] for block in blocks([frame_count(len(each)) for each in recordings])]
    seconds: dict[str, list[float]] = {}
    cpu_seconds: dict[str, list[float]] = {}
    features = {}
    with ThreadPoolExecutor(workers) as pool, threadpool_limits(1):
        methods: dict[str, Callable[[], np.ndarray]] = {
            "separate librosa calls": lambda: np.stack([librosa_features(each) for each in recordings]),
            "one transform": lambda: acoustic_features(recordings),
            f"one transform, {workers} threads (as in augment)": lambda: np.concatenate(
                list(pool.map(acoustic_features, batches))
            ),
        }
        for name, method in methods.items():
            features[name], seconds[name], cpu_seconds[name] = method(), [], []
        for _ in range(arguments.rounds):
            for name, method in methods.items():
                start, start_cpu = time.perf_counter(), time.process_time()
                method()
                seconds[name].append((time.perf_counter() - start) / len(recordings))
                cpu_seconds[name].append((time.process_time() - start_cpu) / len(recordings))
    slow, *fast = (min(times) for times in seconds.values())
    slow_cpu = min(next(iter(cpu_seconds.values())))
    table = Table(
        "method",
        "ms per utterance (best, worst)",
        "times as fast",
        "CPU ms",
        "times less CPU",
        title=f"72 features of {len(recordings)} recordings ({origin})",
    )
    for name, times in seconds.items():
        table.add_row(
            name,
            f"{1e3 * min(times):.2f}, {1e3 * max(times):.2f}",
            f"{slow / min(times):.1f}",
            f"{1e3 * min(cpu_seconds[name]):.2f}",
            f"{slow_cpu / min(cpu_seconds[name]):.1f}",
        )
    console = Console()
    console.print(table)
    reference, *others = features.values()
    difference = np.max([np.abs(reference - other) / np.maximum(np.abs(reference), 1) for other in others])
    speeds = ", ".join(f"{slow / each:.1f}" for each in fast)
    console.print(f"largest relative difference: {difference:.1e}; target: 10 times as fast, found {speeds}")
    assert difference < 5e-3, "the methods disagree"


def librosa_features(samples: Samples) -> np.ndarray:
    """One call per feature, as in the paper's public code."""
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        over_time = np.concatenate(
            [
                librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=13),
                librosa.feature.chroma_stft(y=samples, sr=RATE_HZ),
                librosa.feature.spectral_contrast(y=samples, sr=RATE_HZ),
                librosa.feature.zero_crossing_rate(samples),
                librosa.feature.spectral_rolloff(y=samples, sr=RATE_HZ),
                librosa.feature.spectral_centroid(y=samples, sr=RATE_HZ),
                librosa.feature.rms(y=samples),
            ]
        )
    return np.concatenate([over_time.mean(axis=1), over_time.std(axis=1)])


def _recordings(root: Path, count: int) -> tuple[list[Samples], str]:
    files = sorted((root / "AudioWAV").glob("*.opus"))[::53][:count] if root.is_dir() else []
    if files:
        return [decode(str(file)) for file in files], "CREMA-D"
    random = np.random.default_rng(0)
    seconds = np.arange(int(2.5 * RATE_HZ)) / RATE_HZ
    synthetic = []
    for _ in range(count):
        phase = 2 * np.pi * random.uniform(90, 250) * seconds
        voice = sum(np.sin(k * phase) / k for k in range(1, 20))
        synthetic.append((0.1 * voice + 0.003 * random.standard_normal(len(seconds))).astype(np.float32))
    return synthetic, "synthetic"


if __name__ == "__main__":
    main()
