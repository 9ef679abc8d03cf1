"""Time and memory of pooling votes into distributions.

Writes a file of synthetic votes (by default 20 million on 2 million utterances), then measures, each in a process of its
own: counting votes by loading the complete table and by streaming; fitting the pooling model; pooling all utterances.

    python -m benchmarks.pooling [--votes 100_000_000 --utterances 10_000_000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
_CHUNK = 1_000_000


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=20_000_000)
    parser.add_argument("--utterances", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--steps", default="load,stream,fit,pool", help="loading 100 million votes takes 20 GB"
    )
    parser.add_argument("--only", choices=["load", "stream", "fit", "pool"])
    options = parser.parse_args()
    if options.only:
        print(json.dumps(_measure(options.only, options.folder, options.utterances)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        path = _write(folder, options.votes, options.utterances)
        size = path.stat().st_size / 2**20
        print(f"{options.votes:,} votes on {options.utterances:,} utterances, {size:,.0f} MiB of Parquet\n")
        print("| step | seconds | peak memory (MiB) | rows per second |\n|---|---|---|---|")
        counts = {"load": options.votes, "stream": options.votes, "fit": 0, "pool": options.utterances}
        for step in options.steps.split(","):
            count = counts[step]
            command = [sys.executable, "-m", "benchmarks.pooling", "--only", step, "--folder", str(folder)]
            process = subprocess.run(
                [*command, "--utterances", str(options.utterances)],
                capture_output=True,
                text=True,
                check=False,
            )
            if process.returncode:
                print(f"| {step} | failed (exit {process.returncode}) | | |")
                continue
            result = json.loads(process.stdout)
            rate = f"{count / result['seconds']:,.0f}" if count else ""
            print(f"| {step} | {result['seconds']:.1f} | {result['peak_mib']:,.0f} | {rate} |", flush=True)


def _write(folder: Path, votes: int, utterances: int) -> Path:
    """A votes table in random order, written in chunks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "votes.parquet"
    rng = np.random.default_rng(0)
    schema = pa.schema(
        [
            ("utterance_id", pa.large_string()),
            ("annotator_id", pa.large_string()),
            ("annotator_kind", pa.large_string()),
            ("label", pa.large_string()),
            ("weight", pa.float64()),
        ],
        metadata={"ambivox.labels": json.dumps(LABELS), "ambivox.table": "votes"},
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, votes, _CHUNK):
            rows = min(_CHUNK, votes - start)
            frame = pl.DataFrame(
                {
                    "utterance_id": pl.Series(rng.integers(0, utterances, rows)).cast(pl.String).str.zfill(9),
                    "annotator_id": pl.Series(rng.integers(0, 20_000, rows)).cast(pl.String),
                    "annotator_kind": pl.Series(["human"]).new_from_index(0, rows),
                    "label": pl.Series(LABELS)[rng.integers(0, len(LABELS), rows)],
                    "weight": np.ones(rows),
                }
            )
            writer.write_table(frame.to_arrow().cast(schema))
    return path


def _measure(step: str, folder: Path, utterances: int) -> dict[str, float]:
    from ambivox.models.pooling.fit import fit_pooling
    from ambivox.models.pooling.inputs import PoolingInputs
    from ambivox.models.pooling.pooled import pool_blocks
    from ambivox.models.pooling.vote_file import VoteFile
    from ambivox.models.tables import Votes

    path = folder / "votes.parquet"
    ids = pl.Series("utterance_id", np.arange(utterances)).cast(pl.String).str.zfill(9)
    if step in ("load", "stream"):
        started = time.perf_counter()
        votes = Votes.read(path) if step == "load" else VoteFile.open(path)
        counted_NK = votes.counts(ids)
        seconds = time.perf_counter() - started
        assert counted_NK.sum() > 0
    else:
        rng = np.random.default_rng(1)
        q_NK = rng.dirichlet(np.full(len(LABELS), 0.5), utterances)
        n_NK = rng.multinomial(3, rng.dirichlet(np.full(len(LABELS), 0.5), utterances)).astype(float)
        n_NK[:, :] += rng.multinomial(2, q_NK)
        evidence = PoolingInputs(n_NK, q_NK[:, None], np.ones((utterances, 1)), np.arange(utterances) % 500)
        train = evidence.rows(np.arange(min(utterances, 40_000)))
        started = time.perf_counter()
        model = fit_pooling(LABELS, ["alm"], train, n_NK.sum(1))
        if step == "pool":
            started = time.perf_counter()
            pooled = pool_blocks(model, evidence.n_NK, evidence.q_NAK, evidence.label_mass_NA)
            assert np.isfinite(pooled.p_NK).all()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
