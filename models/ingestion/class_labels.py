"""Class numbers in Parquet files of Hugging Face datasets: the names are in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl


def name_class_labels(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Replace class numbers by their names, where a Parquet file of Hugging Face datasets names them.

    Args:
        path: The Parquet file; its metadata ``huggingface`` holds the features.
        table: Its rows.

    Returns:
        The table; a class that has no name (-1) is null.
    """
    try:
        metadata = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))
        features = metadata.get("info", {}).get("features", {})
    except (ValueError, AttributeError, RecursionError, pl.exceptions.PolarsError):
        return table
    for column, feature in features.items() if isinstance(features, dict) else ():
        names = _class_names(feature)
        if names and column in table.columns:
            by_number = {number: str(name) for number, name in enumerate(names)}
            dtype = table[column].dtype
            if dtype.is_integer():
                table = table.with_columns(
                    pl.col(column).replace_strict(by_number, default=None, return_dtype=pl.String)
                )
            elif isinstance(dtype, pl.List) and dtype.inner.is_integer():
                named = pl.element().replace_strict(by_number, default=None, return_dtype=pl.String)
                table = table.with_columns(pl.col(column).list.eval(named))
    return table


def _class_names(feature: Any) -> list[Any]:
    """The names of a ClassLabel feature, or of a sequence of them."""
    if not isinstance(feature, Mapping):
        return []
    inner = feature.get("feature")
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list):
        return names
    return _class_names(inner) if inner is not None else []
