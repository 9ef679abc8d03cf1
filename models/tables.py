"""The four tables that the whole project speaks in, each checked once, where it is made.

A table is a polars frame and the label set it refers to, in a fixed order. The label set travels in the
Parquet file's own metadata, so every table can be read alone. Only ``check`` and ``read`` make a table, so
a function that takes ``Votes`` never sees an unchecked frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path

SPLITS = ("pretrain", "train", "development", "test")
SOURCES = ("human", "synthetic", "combined", "pooled")
_LABELS_KEY = "ambivox.labels"
_TABLE_KEY = "ambivox.table"


@dataclass(frozen=True)
class Table:
    """A checked frame and its label set (K labels, K >= 1, in order)."""

    frame: pl.DataFrame
    labels: tuple[str, ...]

    name: ClassVar[str] = "table"
    required: ClassVar[dict[str, pl.DataType | type[pl.DataType]]] = {}
    optional: ClassVar[dict[str, pl.DataType | type[pl.DataType]]] = {}
    formerly: ClassVar[dict[str, str]] = {}  # names that columns had in tables of earlier versions

    @classmethod
    def check(cls, frame: pl.DataFrame, labels: tuple[str, ...] | list[str], origin: str = "") -> Self:
        """Check columns, types and values; cast what can be cast without loss; fill absent optional columns.

        Raises:
            UserError: what was found and what was expected, beginning with ``origin`` (a file) where given.
        """
        where = f"{origin}: " if origin else ""
        labels = tuple(labels)
        if not labels or len(set(labels)) != len(labels):
            raise UserError(f"{where}a label set needs one or more distinct labels, found {list(labels)}")
        frame = frame.rename(
            {old: new for old, new in cls.formerly.items() if new not in frame.columns}, strict=False
        )
        missing = [column for column in cls.required if column not in frame.columns]
        if missing:
            raise UserError(
                f"{where}not a table of {cls.name}: columns {missing} are missing from {frame.columns}"
            )
        absent = [
            pl.lit(None, dtype=kind).alias(column)
            for column, kind in cls.optional.items()
            if column not in frame.columns
        ]
        frame = frame.with_columns(absent)
        try:
            frame = frame.cast(
                {
                    column: kind
                    for column, kind in (cls.required | cls.optional).items()
                    if column in frame.columns
                }
            )
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{where}a column of {cls.name} has the wrong type: {error}") from error
        for column in cls.required:
            if frame[column].null_count():
                raise UserError(f"{where}{frame[column].null_count()} rows of {cls.name} have no {column}")
        cls._check_values(frame, labels, where)
        return cls(frame, labels)

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        """What a table asks of its values beyond their types."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a Parquet file that ``write`` made.

        Raises:
            UserError: there is no such file, or it holds something else.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected a table of {cls.name}")
        try:
            metadata = pl.read_parquet_metadata(path)
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{path}: not a readable Parquet file ({error})") from error
        if _LABELS_KEY not in metadata:
            raise UserError(
                f"{path}: a Parquet file, but not one of Ambivox: its metadata has no {_LABELS_KEY}"
            )
        return cls.check(frame, tuple(json.loads(metadata[_LABELS_KEY])), origin=str(path))

    def write(self, path: Path) -> Path:
        """Write to a temporary name, then rename. Equal tables give equal bytes."""
        with atomic_path(path) as temporary:
            metadata = {_LABELS_KEY: json.dumps(list(self.labels)), _TABLE_KEY: self.name}
            self.frame.write_parquet(temporary, compression="zstd", metadata=metadata)
        return path

    def __len__(self) -> int:
        """The number of rows."""
        return self.frame.height


def _unique(frame: pl.DataFrame, column: str, what: str, where: str) -> None:
    doubled = frame.filter(frame[column].is_duplicated())[column]
    if len(doubled):
        raise UserError(
            f"{where}{what} {doubled[0]!r} occurs more than once ({len(doubled)} rows are doubled)"
        )


def _one_of(frame: pl.DataFrame, column: str, allowed: tuple[str, ...], where: str) -> None:
    strange = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(list(allowed)))
    if strange.height:
        raise UserError(
            f"{where}unknown {column} {strange[column][0]!r} in {strange.height} rows; known: {', '.join(allowed)}"
        )


class Utterances(Table):
    """One row an utterance. ``split`` is one of SPLITS; ``speaker`` is null where unknown."""

    name = "utterances"
    required: ClassVar = {
        "utterance_id": pl.String,
        "corpus": pl.String,
        "audio": pl.String,
        "audio_sha256": pl.String,
        "duration_seconds": pl.Float64,
        "sample_rate_hz": pl.Int64,
        "split": pl.String,
    }
    optional: ClassVar = {
        "transcript": pl.String,
        "speaker": pl.String,
        "language": pl.String,
        "sex": pl.String,
        "age": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        _unique(frame, "utterance_id", "utterance", where)
        _one_of(frame, "split", SPLITS, where)

    def in_splits(self, *splits: str) -> Utterances:
        """The utterances of these splits, in order."""
        return Utterances(self.frame.filter(pl.col("split").is_in(splits)), self.labels)


class Votes(Table):
    """One row an annotator's opinion. ``annotator_kind`` is human or alm; a human's weights sum to 1 an utterance."""

    name = "votes"
    required: ClassVar = {
        "utterance_id": pl.String,
        "annotator_id": pl.String,
        "annotator_kind": pl.String,
        "label": pl.String,
        "weight": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        _one_of(frame, "annotator_kind", ("human", "alm"), where)
        _one_of(frame, "label", labels, where)
        # polars counts NaN as larger than every number, so finiteness is asked for by name.
        if frame.filter((pl.col("weight") <= 0) | ~pl.col("weight").is_finite()).height:
            raise UserError(f"{where}a vote's weight must be positive and finite")

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Votes per label, ``n_NK``, float64, rows in the order of ``utterance_ids`` (zeros where nobody voted)."""
        order = pl.DataFrame(
            {"utterance_id": utterance_ids, "_row": np.arange(len(utterance_ids), dtype=np.int64)}
        )
        column = pl.DataFrame(
            {"label": list(self.labels), "_column": np.arange(len(self.labels), dtype=np.int64)}
        )
        cells = (
            self.frame.lazy()
            .join(order.lazy(), on="utterance_id")
            .join(column.lazy(), on="label")
            .group_by("_row", "_column")
            .agg(pl.col("weight").sum())
            .sort("_row", "_column")
            .collect()
        )
        n_NK = np.zeros((len(utterance_ids), len(self.labels)))
        n_NK[cells["_row"].to_numpy(), cells["_column"].to_numpy()] = cells["weight"].to_numpy()
        return n_NK


class Annotations(Table):
    """One row an ALM's answer to one prompt.

    ``logprobs`` has one natural-log probability per label, in the order of ``labels``, summing to 1 in
    probability (null for a refusal); ``label_mass`` in [0, 1] is what the model gave to all labels together
    before that. ``label`` is the one label of a sampled answer (null otherwise).
    """

    name = "annotations"
    required: ClassVar = {
        "utterance_id": pl.String,
        "alm": pl.String,
        "revision": pl.String,
        "elicitation": pl.String,
        "persona": pl.String,
        "option_order": pl.String,
        "temperature": pl.Float64,
        "refused": pl.Boolean,
        "prompt_sha256": pl.String,
        "engine": pl.String,
    }
    optional: ClassVar = {
        "seed": pl.Int64,
        "logprobs": pl.List(pl.Float64),
        "label_mass": pl.Float64,
        "label": pl.String,
        "response": pl.String,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        _one_of(frame, "label", labels, where)
        lengths = frame["logprobs"].list.len().drop_nulls().unique().to_list()
        if lengths not in ([], [len(labels)]):
            raise UserError(
                f"{where}logprobs hold {lengths} numbers, but there are {len(labels)} labels: {', '.join(labels)}"
            )


class Distributions(Table):
    """One row an utterance's distribution from one source: after the fixed columns, one column per label."""

    name = "distributions"
    formerly: ClassVar = {"effective_synthetic_votes": "equivalent_votes"}
    required: ClassVar = {
        "utterance_id": pl.String,
        "source": pl.String,
        "human_votes": pl.Float64,
        "equivalent_votes": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        _unique(frame, "utterance_id", "utterance", where)
        missing = [label for label in labels if label not in frame.columns]
        if missing:
            raise UserError(f"{where}distributions lack the columns of labels {missing}")
        p_NK = frame.select(labels).to_numpy()
        bad = ~np.isfinite(p_NK).all(1) | (p_NK < 0).any(1) | (np.abs(p_NK.sum(1) - 1) > 1e-6)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise UserError(
                f"{where}{int(bad.sum())} distributions do not sum to 1 or hold negative or missing numbers; "
                f"the first is {frame['utterance_id'][row]!r}: {p_NK[row].tolist()}"
            )

    @classmethod
    def of(
        cls,
        utterance_ids: pl.Series,
        source: str,
        p_NK: np.ndarray,
        labels: tuple[str, ...],
        human_votes_N: np.ndarray | float = 0.0,
        effective_synthetic_votes_N: np.ndarray | float = 0.0,
    ) -> Distributions:
        """A table from an array of distributions (rows in the order of ``utterance_ids``)."""
        rows = len(utterance_ids)
        fixed = {
            "utterance_id": utterance_ids,
            "source": [source] * rows,
            "human_votes": np.broadcast_to(np.asarray(human_votes_N, dtype=float), rows),
            "equivalent_votes": np.broadcast_to(np.asarray(effective_synthetic_votes_N, dtype=float), rows),
        }
        return cls.check(pl.DataFrame(fixed | {label: p_NK[:, k] for k, label in enumerate(labels)}), labels)

    def aligned(self, utterance_ids: pl.Series) -> np.ndarray:
        """``p_NK``, rows in the order of ``utterance_ids``.

        Raises:
            UserError: an utterance has no distribution here.
        """
        joined = pl.DataFrame({"utterance_id": utterance_ids}).join(
            self.frame, on="utterance_id", how="left", maintain_order="left"
        )
        absent = joined.filter(pl.col("source").is_null())["utterance_id"]
        if len(absent):
            raise UserError(f"{len(absent)} utterances have no distribution, the first is {absent[0]!r}")
        return joined.select(self.labels).to_numpy()
