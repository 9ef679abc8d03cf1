"""Hugging Face datasets: ``load_dataset(folder)`` gives the same splits, one row per utterance.

A row holds the utterance's columns, its ``votes`` (a list of annotator, kind, label and weight; the label is a
ClassLabel), and its ``distribution`` (one number per label, in the ClassLabel's order) with ``source`` and numbers of
votes. Where arousal, valence and dominance were rated, it holds their means and the ``ratings`` of each annotator.
``audio`` is a path, or the audio itself where a release includes it; ``dataset.cast_column("audio",
datasets.Audio())`` decodes a path. Writing and reading need pyarrow only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.files import atomic_path
from ambivox.models.parquet_files import read_parquet, reading
from ambivox.models.regular_files import check_fetched, check_regular
from ambivox.models.tables import DIMENSIONS, SPLITS, Distributions, Ratings, Utterances, Votes

_EXPECTED = "a dataset that Ambivox exported"
_DISTRIBUTION_COLUMNS = ("source", "human_votes", "equivalent_votes")
_DTYPES: dict[Any, str] = {pl.String: "string", pl.Float64: "float64", pl.Int64: "int64"}
# With audio, a file holds about this much of it, so that none of a large corpus is larger than memory.
_SHARD_BYTES = 400_000_000
_ROWS_AT_ONCE = 64

# The audio of an utterance by its row: the bytes of a file, and the file's name.
LoadAudio = Callable[[Mapping[str, Any]], tuple[bytes, str]]


@dataclass(frozen=True)
class DataFiles:
    """What ``write_data`` wrote.

    Attributes:
        files: The files of each split, relative to the folder, in order.
        rows: The number of utterances of each split.
        features: The columns, as ``datasets.Features.to_dict`` describes them.
    """

    files: dict[str, list[str]]
    rows: dict[str, int]
    features: dict[str, Any]


def write(tables: LinkedTables, folder: Path) -> None:
    """Write data/<split>.parquet for every split that has utterances, and a README.md that lists the files.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
    """
    written = write_data(tables, folder)
    files = "".join(
        f"  - split: {split}\n    path: {path}\n" for split, paths in written.files.items() for path in paths
    )
    with atomic_path(folder / "README.md") as temporary:
        card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\nWritten by Ambivox.\n"
        temporary.write_text(card, encoding="utf-8")


def write_data(tables: LinkedTables, folder: Path, load_audio: LoadAudio | None = None) -> DataFiles:
    """Write data/<split>.parquet for every split that has utterances; with audio, several files for a large split.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
        load_audio: Gives an utterance's audio, which then takes the place of its path; None keeps paths.

    Returns:
        What was written.
    """
    rows = _rows(tables)
    features = _features(tables, with_audio=load_audio is not None)
    # datasets uses a column's feature from the metadata only if the Arrow type is exactly that of the feature.
    schema = pa.schema(
        [(name, _arrow(features[name])) for name in rows.columns],
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    files, counts = {}, {}
    for split in SPLITS:
        in_split = rows.filter(split=split)
        if in_split.height:
            counts[split] = in_split.height
            files[split] = _write_split(_tables(in_split, schema, load_audio), schema, folder, split)
    return DataFiles(files, counts, features)


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables; where a release includes the audio, ``audio`` is the name of its file.

    Raises:
        UserError: The folder has no dataset that Ambivox exported.
    """
    paths = [
        path
        for split in SPLITS
        for path in sorted((folder / "data").glob(f"{split}*.parquet"))
        if path.stem.rpartition("-")[0] in ("", split)
    ]
    if not paths:
        raise UserError(f"{folder}: no data/<split>.parquet here; expected a dataset that Ambivox exported")
    labels = _labels(paths[0])
    with reading(str(folder), _EXPECTED):
        rows = pl.concat([read_parquet(path, _EXPECTED) for path in paths])
        if rows.schema.get("audio", pl.String) != pl.String:
            rows = rows.with_columns(pl.col("audio").struct.field("path").alias("audio"))
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
    ratings = None
    if "ratings" in rows.columns:
        with reading(str(folder), _EXPECTED):
            each = (
                rows.select("utterance_id", "ratings")
                .explode("ratings", empty_as_null=False)
                .unnest("ratings")
            )
        ratings = Ratings.check(each, labels, str(folder))
    utterances = Utterances.check(
        rows.select(*Utterances.required, *Utterances.optional), labels, str(folder)
    )
    return LinkedTables.of(utterances, Votes.check(votes, labels, str(folder)), distributions, ratings)


def _rows(tables: LinkedTables) -> pl.DataFrame:
    """One row per utterance, with its votes and its distribution."""
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
    if tables.ratings is not None:
        means = tables.ratings.means().select("utterance_id", *DIMENSIONS)
        rating = pl.struct(name for name in tables.ratings.frame.columns if name != "utterance_id")
        each = tables.ratings.frame.group_by("utterance_id", maintain_order=True).agg(ratings=rating)
        for more in (means, each):
            rows = rows.join(more, on="utterance_id", how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("ratings").fill_null([]))
    if tables.distributions is None:
        return rows
    p = tables.distributions.frame.select(
        "utterance_id", *_DISTRIBUTION_COLUMNS, distribution=pl.concat_list(*tables.labels)
    )
    return rows.join(p, on="utterance_id", how="left", maintain_order="left")


def _tables(rows: pl.DataFrame, schema: pa.Schema, load_audio: LoadAudio | None) -> Iterator[pa.Table]:
    """The rows as Arrow tables; with audio, a few at once."""
    if load_audio is None:
        yield rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        return
    position, field = schema.get_field_index("audio"), schema.field("audio")
    for some in rows.iter_slices(_ROWS_AT_ONCE):
        audio = [
            dict(zip(("bytes", "path"), load_audio(row), strict=True)) for row in some.iter_rows(named=True)
        ]
        without = some.drop("audio").to_arrow(compat_level=pl.CompatLevel.oldest())
        yield without.add_column(position, field, pa.array(audio, field.type)).cast(schema)


def _write_split(tables: Iterator[pa.Table], schema: pa.Schema, folder: Path, split: str) -> list[str]:
    """Write a split as one file, or as several that are numbered."""
    names: list[str] = []
    table = next(tables, None)
    while table is not None:
        name = f"data/{split}-{len(names):05d}.parquet"
        written_bytes = 0
        with atomic_path(folder / name) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            while table is not None and written_bytes < _SHARD_BYTES:
                writer.write_table(table)
                written_bytes += table.nbytes
                table = next(tables, None)
        names.append(name)
    if len(names) == 1:
        only = f"data/{split}.parquet"
        (folder / names[0]).rename(folder / only)
        return [only]
    return names


def _features(tables: LinkedTables, *, with_audio: bool) -> dict[str, Any]:
    """Describe the columns for ``datasets``, which needs more than their Arrow types."""
    text, number = _value("string"), _value("float64")
    columns = (Utterances.required | Utterances.optional).items()
    features: dict[str, Any] = {name: _value(_DTYPES[dtype]) for name, dtype in columns}
    if with_audio:
        features["audio"] = {"_type": "Audio"}
    vote = {"annotator_id": text, "annotator_kind": text, "label": _class_label(tables), "weight": number}
    features["votes"] = {"feature": vote, "_type": "List"}
    if tables.ratings is not None:
        columns = (Ratings.required | Ratings.optional).items()
        features |= dict.fromkeys(DIMENSIONS, number)
        rating = {name: _value(_DTYPES[dtype]) for name, dtype in columns if name != "utterance_id"}
        features["ratings"] = {"feature": rating, "_type": "List"}
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
        case "Audio":
            return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        case "List":
            return pa.list_(_arrow(feature["feature"]))
        case _:
            return pa.struct([(name, _arrow(inner)) for name, inner in feature.items()])


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}


def _class_label(tables: LinkedTables) -> dict[str, Any]:
    return {"names": list(tables.labels), "_type": "ClassLabel"}


def _labels(path: Path) -> tuple[str, ...]:
    check_regular(path, _EXPECTED)
    try:
        metadata = pq.read_schema(path).metadata or {}
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(features["votes"]["feature"]["label"]["names"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        check_fetched(path)
        raise UserError(f"{path}: not a dataset that Ambivox exported ({type(error).__name__})") from error
