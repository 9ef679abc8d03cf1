"""Counting the votes of a Parquet file in bounded memory.

``VoteFile`` offers what pooling needs of ``Votes`` (the label set, the votes per utterance and label). Its memory grows
with the number of utterances, not with that of votes: the file is read in blocks of rows, whose votes are added to one
array. A streaming group-by of polars needs about as much processor time, but keeps a group per utterance and label, and
its memory is several times that of the array.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.parquet_files import check_opened_size, reading, stored_labels
from ambivox.models.tables import Votes
from ambivox.models.tables.row_lookup import RowLookup

_EXPECTED = "a table of votes"
_UNIT = 2.0**40  # of the fixed-point numbers that are summed
_BLOCK_ROWS = 2**17
_KINDS = ("human", "alm")


def exact_sum(values: pl.Expr) -> pl.Expr:
    """The sum of a column in fixed point, exact to 1e-12 per value, whatever the order of summation.

    A streaming engine sums in any order, which changes the last digits of a floating-point sum.

    Args:
        values: a numeric expression.

    Examples:
        >>> pl.DataFrame({"x": [0.5, 0.25]}).select(exact_sum(pl.col("x"))).item()
        0.75
    """
    return (values * _UNIT).round().cast(pl.Int64).sum() / _UNIT


class VoteCounts(Protocol):
    """Anything that counts the votes per utterance: ``Votes`` or a ``VoteFile``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Votes per utterance and label.

        Args:
            utterance_ids: N utterances.

        Returns:
            ``n_NK``, rows in the order of ``utterance_ids``.
        """


@dataclass(frozen=True)
class VoteFile:
    """The human votes in a file that ``Votes.write`` wrote, with the checks of ``Votes.read``.

    Attributes:
        path: the file.
        labels: the label set.
    """

    path: Path
    labels: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> VoteFile:
        """Check columns, types and label set; ``counts`` checks the rows.

        Args:
            path: a table of votes.

        Raises:
            UserError: no such file, or not a table of votes.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected a table of votes")
        check_opened_size(path, _EXPECTED)
        with reading(str(path), _EXPECTED):
            labels = stored_labels(pl.read_parquet_metadata(path), str(path), _EXPECTED)
            schema = pl.read_parquet_schema(path)
        # The usual check of columns and types, on an empty frame with the same columns.
        Votes.check(pl.DataFrame(schema=schema), labels, origin=str(path))
        return cls(path, labels)

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Human votes per utterance and label.

        Args:
            utterance_ids: N distinct utterances.

        Returns:
            ``n_NK``, rows in the order of ``utterance_ids``; zeros where nobody voted.

        Raises:
            UserError: the file is damaged, or has a row without a value, with a label outside the set, or with a weight
                that is not positive.
        """
        rows, labels = len(utterance_ids), len(self.labels)
        lookup = RowLookup(utterance_ids)
        # Fixed point, exact to 1e-12 per vote, so that the order of the rows does not change the sums.
        units_NK = np.zeros((rows, labels), dtype=np.int64)
        for ids, label_M, weight_M in self._human_votes():
            row_M = lookup.rows(ids)
            known_M = row_M >= 0
            cell_M = row_M[known_M] * labels + label_M[known_M]
            np.add.at(units_NK.reshape(-1), cell_M, np.rint(weight_M[known_M] * _UNIT).astype(np.int64))
        n_NK = units_NK.view(np.float64)  # the same memory, block by block: NumPy would copy all of it
        for start in range(0, rows, _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            np.divide(units_NK[block], _UNIT, out=n_NK[block])
        return n_NK

    def _human_votes(self) -> Iterator[tuple[pl.Series, np.ndarray, np.ndarray]]:
        """Blocks of M votes: ids, label numbers, weights. The next block is read in the background."""
        import pyarrow as pa

        blocks = self._blocks()
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(next, blocks, None)
            while True:
                try:
                    block = waiting.result()
                except (pa.ArrowException, OSError, ValueError) as error:
                    raise UserError(
                        f"{self.path}: not a readable Parquet file ({error_text(error)})"
                    ) from error
                if block is None:
                    return
                waiting = reader.submit(next, blocks, None)
                with reading(str(self.path), _EXPECTED):  # a text may be no UTF-8
                    checked = self._checked(block)
                yield checked

    def _blocks(self) -> Iterator[Any]:
        """Record batches of the columns of ``Votes``; labels and kinds of annotators as numbers of a dictionary."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Pre-buffering would keep the bytes of all columns until the end of the file.
        with pq.ParquetFile(self.path, read_dictionary=["label", "annotator_kind"], pre_buffer=False) as file:
            for name in ("utterance_id", "label", "annotator_kind"):
                kind = file.schema_arrow.field(name).type
                kind = kind.value_type if pa.types.is_dictionary(kind) else kind
                if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
                    raise ValueError(
                        f"column {name!r} is {kind} in one part of its footer, and text in another"
                    )
            columns = [name for name in Votes.required if name != "annotator_id" or _may_be_null(file, name)]
            yield from file.iter_batches(_BLOCK_ROWS, columns=columns)

    def _checked(self, block: Any) -> tuple[pl.Series, np.ndarray, np.ndarray]:
        """The human votes of a block, after the checks of ``Votes``."""
        block.validate(full=True)  # polars takes the texts as they are, UTF-8 or not
        if any(column.null_count for column in block.columns):
            self._reject(block)
        weight_M = pl.Series(block.column("weight")).cast(pl.Float64).to_numpy()
        label_M, kind_M = (
            _numbers(block.column(name), allowed)
            for name, allowed in (("label", self.labels), ("annotator_kind", _KINDS))
        )
        is_good_M = (label_M >= 0) & (kind_M >= 0) & (weight_M > 0) & np.isfinite(weight_M)
        if not is_good_M.all():
            self._reject(block)
        ids = pl.Series(block.column("utterance_id")).cast(pl.String)
        is_human_M = kind_M == _KINDS.index("human")
        if is_human_M.all():
            return ids, label_M, weight_M
        return ids.filter(pl.Series(is_human_M)), label_M[is_human_M], weight_M[is_human_M]

    def _reject(self, block: Any) -> None:
        """Raise the error of ``Votes`` about a block's first bad row."""
        frame = pl.DataFrame(block)
        if "annotator_id" not in frame.columns:
            frame = frame.with_columns(annotator_id=pl.lit(""))
        frame = frame.cast({"label": pl.String, "annotator_kind": pl.String})
        weight = pl.col("weight")
        first_bad = frame.filter(
            pl.any_horizontal(pl.col(column).is_null() for column in Votes.required)
            | ~pl.col("label").is_in(self.labels)
            | ~((weight > 0) & weight.is_finite())
            | ~pl.col("annotator_kind").is_in(_KINDS)
        ).head(1)
        Votes.check(first_bad, self.labels, origin=str(self.path))
        raise AssertionError(f"{self.path}: a row passes one check and fails the other: {first_bad.rows()}")


def _may_be_null(file: Any, column: str) -> bool:
    """Whether the file's statistics do not rule out nulls in a column."""
    metadata = file.metadata
    index = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column)
    statistics = [
        metadata.row_group(group).column(index).statistics for group in range(metadata.num_row_groups)
    ]
    return any(each is None or not each.has_null_count or each.null_count for each in statistics)


def _numbers(column: Any, allowed: tuple[str, ...]) -> np.ndarray:
    """The place of each value in ``allowed``; -1 for another value."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    places = {name: place for place, name in enumerate(allowed)}
    # With one more entry, so that an empty dictionary can be indexed.
    place_D = np.array([places.get(name, -1) for name in column.dictionary.to_pylist()] + [-1])
    number_M: np.ndarray = place_D[column.indices.to_numpy()]
    return number_M
