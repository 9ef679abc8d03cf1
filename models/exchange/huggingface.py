"""Hugging Face datasets: ``load_dataset(folder)`` gives the same splits, one row per utterance.

A row holds the utterance's columns, its ``votes`` (a list of annotator, kind, label and weight; the label is a
ClassLabel), and its ``distribution`` (one number per label, in the ClassLabel's order) with ``source`` and numbers of
votes. ``audio`` is a path; ``dataset.cast_column("audio", datasets.Audio())`` decodes it. Writing and reading need
pyarrow only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.files import atomic_path
from ambivox.models.parquet_files import read_parquet, reading
from ambivox.models.tables import SPLITS, Distributions, Utterances, Votes

_EXPECTED = "a dataset that Ambivox exported"
_DISTRIBUTION_COLUMNS = ("source", "human_votes", "equivalent_votes")
_DTYPES: dict[Any, str] = {pl.String: "string", pl.Float64: "float64", pl.Int64: "int64"}


def write(tables: LinkedTables, folder: Path) -> None:
    """Write data/<split>.parquet for every split that has utterances, and a README.md that lists the files.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
    """
    codes = {label: code for code, label in enumerate(tables.labels)}
    vote = pl.struct(
        "annotator_id",
        "annotator_kind",
        pl.col("label").replace_strict(codes, return_dtype=pl.Int64),
        "weight",
    )
    votes = tables.votes.frame.group_by("utterance_id", maintain_order=True).agg(votes=vote)
    rows = tables.utterances.frame.join(votes, on="utterance_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("votes").fill_null([]))
    if tables.distributions is not None:
        p = tables.distributions.frame.select(
            "utterance_id", *_DISTRIBUTION_COLUMNS, distribution=pl.concat_list(*tables.labels)
        )
        rows = rows.join(p, on="utterance_id", how="left", maintain_order="left")
    features = _features(tables)
    # datasets uses a column's feature from the metadata only if the Arrow type is exactly that of the feature.
    schema = pa.schema([(name, _arrow(features[name])) for name in rows.columns])
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    splits = [split for split in SPLITS if rows.filter(split=split).height]
    for split in splits:
        arrow_table = rows.filter(split=split).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        with atomic_path(folder / "data" / f"{split}.parquet") as temporary:
            pq.write_table(arrow_table.replace_schema_metadata(metadata), temporary)
    files = "".join(f"  - split: {split}\n    path: data/{split}.parquet\n" for split in splits)
    with atomic_path(folder / "README.md") as temporary:
        card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\nWritten by Ambivox.\n"
        temporary.write_text(card, encoding="utf-8")


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: The folder has no dataset that Ambivox exported.
    """
    paths = [path for split in SPLITS if (path := folder / "data" / f"{split}.parquet").is_file()]
    if not paths:
        raise UserError(f"{folder}: no data/<split>.parquet here; expected a dataset that Ambivox exported")
    labels = _labels(paths[0])
    with reading(str(folder), _EXPECTED):
        rows = pl.concat([read_parquet(path, _EXPECTED) for path in paths])
    rows = rows.rename(Distributions.renamed, strict=False)
    names = dict(enumerate(labels))
    votes = rows.select("utterance_id", "votes").explode("votes", empty_as_null=False).unnest("votes")
    votes = votes.with_columns(pl.col("label").replace_strict(names, return_dtype=pl.String))
    distributions = None
    if "distribution" in rows.columns:
        known = rows.filter(pl.col("distribution").is_not_null())
        columns = [pl.col("distribution").list.get(code).alias(label) for code, label in names.items()]
        distributions = Distributions.check(
            known.select("utterance_id", *_DISTRIBUTION_COLUMNS, *columns), labels, str(folder)
        )
    utterances = Utterances.check(
        rows.select(*Utterances.required, *Utterances.optional), labels, str(folder)
    )
    return LinkedTables.of(utterances, Votes.check(votes, labels, str(folder)), distributions)


def _features(tables: LinkedTables) -> dict[str, Any]:
    """Describe the columns for ``datasets``, which needs more than their Arrow types."""
    text, number = _value("string"), _value("float64")
    columns = (Utterances.required | Utterances.optional).items()
    features: dict[str, Any] = {name: _value(_DTYPES[dtype]) for name, dtype in columns}
    vote = {"annotator_id": text, "annotator_kind": text, "label": _class_label(tables), "weight": number}
    features["votes"] = {"feature": vote, "_type": "List"}
    if tables.distributions is not None:
        features |= {"source": text, "human_votes": number, "equivalent_votes": number}
        features["distribution"] = {"feature": number, "_type": "List"}
    return features


def _arrow(feature: dict[str, Any]) -> pa.DataType:
    """The Arrow type of a feature."""
    match feature.get("_type"):
        case "Value":
            return pa.type_for_alias(feature["dtype"])
        case "ClassLabel":
            return pa.int64()
        case "List":
            return pa.list_(_arrow(feature["feature"]))
        case _:
            return pa.struct([(name, _arrow(inner)) for name, inner in feature.items()])


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}


def _class_label(tables: LinkedTables) -> dict[str, Any]:
    return {"names": list(tables.labels), "_type": "ClassLabel"}


def _labels(path: Path) -> tuple[str, ...]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(features["votes"]["feature"]["label"]["names"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a dataset that Ambivox exported ({type(error).__name__})") from error
