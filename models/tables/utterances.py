"""The table of utterances: one row per utterance, with its audio, speaker and split."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from ambivox.models.tables.table import Table, check_one_of, check_unique

SPLITS = ("pretrain", "train", "development", "test")


class Utterances(Table):
    """One row per utterance. ``split`` is one of SPLITS; ``speaker`` is null where unknown.

    Where ``start_seconds`` or ``end_seconds`` is there, the utterance is that segment of ``audio``; ``channel`` (from 1)
    is the one to hear (null: the average of all). ``audio_sha256`` is the hash of what is heard.
    """

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
        "start_seconds": pl.Float64,
        "end_seconds": pl.Float64,
        "channel": pl.Int64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        check_unique(frame, "utterance_id", "utterance", where)
        check_one_of(frame, "split", SPLITS, where)

    @staticmethod
    def speakers_apart(frame: pl.DataFrame) -> pl.Series:
        """A name per speaker; an utterance whose speaker is unknown counts as a speaker of its own.

        Args:
            frame: rows of a table of utterances.

        Returns:
            Texts, none of them null.

        Examples:
            >>> frame = pl.DataFrame({"utterance_id": ["u", "v", "w"], "speaker": ["s", None, None]})
            >>> Utterances.speakers_apart(frame).n_unique()
            3
        """
        return frame["speaker"].fill_null("\0" + frame["utterance_id"])  # no speaker has such a name

    def in_splits(self, *splits: str) -> Utterances:
        """Select the utterances of some splits.

        Args:
            *splits: Names from SPLITS.

        Returns:
            These utterances, in the same order.
        """
        return Utterances(self.frame.filter(pl.col("split").is_in(splits)), self.labels)
