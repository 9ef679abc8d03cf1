"""The files of a model folder that describe its training: curves, checks and rejects."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl

from ambivox.models.files import atomic_path, write_json
from ambivox.models.finetuning.training.loop import TrainingResult
from ambivox.models.finetuning.training.sanity_checks import SanityChecks


def write_run_files(
    folder: Path,
    result: TrainingResult,
    checks: SanityChecks,
    adapted: list[str],
    rejects: dict[str, str],
) -> None:
    """Write curves.csv, curves.json, training.json and rejects.parquet, without times: equal runs write equal bytes.

    Args:
        folder: The model folder.
        result: The result of training.
        checks: What the checks before training measured.
        adapted: The names of the modules with an adapter.
        rejects: The reason by id, for utterances whose audio cannot be read.
    """
    with atomic_path(folder / "curves.csv") as temporary:
        pl.DataFrame(result.curves).with_columns(pl.col("epoch").cast(pl.Int64)).write_csv(temporary)
    write_json(folder / "curves.json", {"curves": result.curves, "best_epoch": result.best_epoch})
    write_json(
        folder / "training.json",
        {
            "checks": asdict(checks),
            "adapted": adapted,
            "best_epoch": result.best_epoch,
            "epochs": len(result.curves),
            "stopped_early": result.stopped_early,
        },
    )
    table = pl.DataFrame(
        {"utterance_id": list(rejects), "reason": list(rejects.values())},
        schema={"utterance_id": pl.String, "reason": pl.String},
    )
    with atomic_path(folder / "rejects.parquet") as temporary:
        table.write_parquet(temporary)
