"""Hugging Face datasets: ``load_dataset(folder)`` gives one split for each of ours, an utterance a row.

A row holds the utterance's columns, its ``votes`` (a list of annotator, kind, label and weight; the label a
ClassLabel), and its ``distribution`` (one number a label, in the ClassLabel's order) with where that came
from. ``audio`` stays a path: ``dataset.cast_column("audio", datasets.Audio())`` makes it sound. Only pyarrow
is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ambivox.models.errors import UserError
from ambivox.models.exchange import Bundle
from ambivox.models.files import atomic_path
from ambivox.models.tables import SPLITS, Distributions, Utterances, Votes

_FIXED = ("source", "human_votes", "equivalent_votes")
_DTYPES: dict[Any, str] = {pl.String: "string", pl.Float64: "float64", pl.Int64: "int64"}


def write(bundle: Bundle, folder: Path) -> None:
    """Write data/<split>.parquet for every split there is, and a README.md that tells where they are."""
    codes = {label: code for code, label in enumerate(bundle.labels)}
    opinion = pl.struct(
        "annotator_id",
        "annotator_kind",
        pl.col("label").replace_strict(codes, return_dtype=pl.Int64),
        "weight",
    )
    votes = bundle.votes.frame.group_by("utterance_id", maintain_order=True).agg(votes=opinion)
    rows = bundle.utterances.frame.join(votes, on="utterance_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("votes").fill_null([]))
    if bundle.distributions is not None:
        p = bundle.distributions.frame.select(
            "utterance_id", *_FIXED, distribution=pl.concat_list(*bundle.labels)
        )
        rows = rows.join(p, on="utterance_id", how="left", maintain_order="left")
    features = _features(bundle)
    # datasets takes a column's feature from the metadata only where the Arrow type is exactly the feature's
    # own.
    schema = pa.schema([(name, _arrow(features[name])) for name in rows.columns])
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    splits = [split for split in SPLITS if rows.filter(split=split).height]
    for split in splits:
        table = rows.filter(split=split).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        with atomic_path(folder / "data" / f"{split}.parquet") as temporary:
            pq.write_table(table.replace_schema_metadata(metadata), temporary)
    files = "".join(f"  - split: {split}\n    path: data/{split}.parquet\n" for split in splits)
    with atomic_path(folder / "README.md") as temporary:
        card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\nWritten by Ambivox.\n"
        temporary.write_text(card, encoding="utf-8")


def read(folder: Path) -> Bundle:
    """Read what ``write`` wrote.

    Raises:
        UserError: there is no such dataset in the folder.
    """
    paths = [path for split in SPLITS if (path := folder / "data" / f"{split}.parquet").is_file()]
    if not paths:
        raise UserError(f"{folder}: no data/<split>.parquet here; expected a dataset that Ambivox exported")
    labels = _labels(paths[0])
    rows = pl.concat([pl.read_parquet(path) for path in paths])
    names = dict(enumerate(labels))
    votes = rows.select("utterance_id", "votes").explode("votes", empty_as_null=False).unnest("votes")
    votes = votes.with_columns(pl.col("label").replace_strict(names, return_dtype=pl.String))
    distributions = None
    if "distribution" in rows.columns:
        known = rows.filter(pl.col("distribution").is_not_null())
        columns = [pl.col("distribution").list.get(code).alias(label) for code, label in names.items()]
        distributions = Distributions.check(
            known.select("utterance_id", *_FIXED, *columns), labels, str(folder)
        )
    utterances = Utterances.check(
        rows.select(*Utterances.required, *Utterances.optional), labels, str(folder)
    )
    return Bundle.of(utterances, Votes.check(votes, labels, str(folder)), distributions)


def _features(bundle: Bundle) -> dict[str, Any]:
    """What ``datasets`` must know of the columns beyond their Arrow types."""
    text, number = _value("string"), _value("float64")
    columns = (Utterances.required | Utterances.optional).items()
    features: dict[str, Any] = {name: _value(_DTYPES[kind]) for name, kind in columns}
    opinion = {"annotator_id": text, "annotator_kind": text, "label": _class_label(bundle), "weight": number}
    features["votes"] = {"feature": opinion, "_type": "List"}
    if bundle.distributions is not None:
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


def _class_label(bundle: Bundle) -> dict[str, Any]:
    return {"names": list(bundle.labels), "_type": "ClassLabel"}


def _labels(path: Path) -> tuple[str, ...]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(features["votes"]["feature"]["label"]["names"])
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a dataset that Ambivox exported ({type(error).__name__})") from error
