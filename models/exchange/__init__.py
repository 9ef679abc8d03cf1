"""Exchange formats: one file per format; the file name is its key, and nothing else is registered.

A format has ``write(tables, folder)`` and ``read(folder) -> LinkedTables``, which returns exactly what was written: the same
rows and the same numbers to the last bit. A labelling tool has ``write_project(tables, folder, audio_url)``, which returns
lines for the user, and ``read_votes(path, utterances, control=, id_field=, known_annotators=, imported_annotators=)``,
which returns the votes that people gave there, and what cannot be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Self

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange._audio_addresses import names_without_root
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes


def is_labelling_tool(module: ModuleType) -> bool:
    """Whether a module of this package is about a tool in which people vote.

    Args:
        module: The module.
    """
    return hasattr(module, "read_votes")


@dataclass(frozen=True)
class LinkedTables:
    """Tables with one label set, in which every vote and distribution belongs to one of the utterances.

    Rows are in the order of utterance_id, then annotator_id and label, so that formats that nest or group rows can
    restore their order.

    Attributes:
        utterances: The utterances.
        votes: Their votes.
        distributions: Their distributions, or None.
        ratings: Their ratings of arousal, valence and dominance, or None.
    """

    utterances: Utterances
    votes: Votes
    distributions: Distributions | None
    ratings: Ratings | None = None

    @classmethod
    def of(
        cls,
        utterances: Utterances,
        votes: Votes,
        distributions: Distributions | None = None,
        ratings: Ratings | None = None,
    ) -> Self:
        """Check that tables belong together, and order their rows and columns.

        Args:
            utterances: The utterances.
            votes: Votes for these utterances.
            distributions: Distributions of these utterances.
            ratings: Ratings of these utterances.

        Returns:
            The tables.

        Raises:
            UserError: The label sets differ, or a table has rows for other utterances.
        """
        tables = [table for table in (utterances, votes, distributions, ratings) if table is not None]
        for table in tables:
            if table.labels != utterances.labels:
                raise UserError(
                    f"the {table.name} have the labels {table.labels}, the utterances {utterances.labels}"
                )
            others = table.frame.filter(
                ~pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
            )
            if others.height:
                raise UserError(
                    f"{others.height} {table.name} are for unknown utterances, "
                    f"the first is {others['utterance_id'][0]!r}"
                )
        labels = utterances.labels
        ordered = utterances.frame.select(*Utterances.required, *Utterances.optional).sort("utterance_id")
        votes = Votes(
            votes.frame.select(*Votes.required).sort("utterance_id", "annotator_id", "label", "weight"),
            labels,
        )
        if distributions is not None:
            columns = distributions.frame.select(*Distributions.required, *labels)
            distributions = Distributions(columns.sort("utterance_id"), labels)
        if ratings is not None:
            columns = ratings.frame.select(*Ratings.required, *Ratings.optional)
            ratings = Ratings(columns.sort("utterance_id", "annotator_id"), labels)
        return cls(Utterances(ordered, labels), votes, distributions, ratings)

    def for_others(self, *, transcripts: bool, votes: bool) -> LinkedTables:
        """The tables as they may be passed on: audio is named relative to the folder that holds all of it.

        Args:
            transcripts: Keep the transcripts.
            votes: Keep the votes and ratings of single annotators.

        Returns:
            The same utterances and distributions.
        """
        frame = self.utterances.frame
        frame = frame.with_columns(
            pl.Series("audio", names_without_root(frame["audio"].to_list()), pl.String)
        )
        if not transcripts:
            frame = frame.with_columns(transcript=pl.lit(None, pl.String))
        kept = self.votes.frame if votes else self.votes.frame.clear()
        ratings = self.ratings
        if ratings is not None and not votes:
            of_corpus = ratings.frame.filter(pl.col("annotator_id").is_null())
            ratings = Ratings(of_corpus, self.labels) if of_corpus.height else None
        return LinkedTables(
            Utterances(frame, self.labels), Votes(kept, self.labels), self.distributions, ratings
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""
        return self.utterances.labels
