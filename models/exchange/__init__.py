"""Formats that tables leave and come back in. One file a format; its name is the key; nothing else is registered.

Each has ``write(bundle, folder)``. All but Label Studio's have ``read(folder) -> Bundle``, and what is
written is read back exactly: same rows, same numbers to the last bit. Label Studio gives votes back
(``read_votes``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables import Distributions, Utterances, Votes


@dataclass(frozen=True)
class Bundle:
    """Tables with one label set; every vote and distribution is about one of the utterances.

    Rows are in the order of utterance_id, then annotator_id and label, so that formats that nest or group
    them can give them back as they were.
    """

    utterances: Utterances
    votes: Votes
    distributions: Distributions | None

    @classmethod
    def of(cls, utterances: Utterances, votes: Votes, distributions: Distributions | None = None) -> Self:
        """Check that the tables fit together, and put their rows and columns in order.

        Raises:
            UserError: label sets differ, or a table is about other utterances.
        """
        tables: list[Utterances | Votes | Distributions] = [utterances, votes]
        tables += [distributions] if distributions else []
        for table in tables:
            if table.labels != utterances.labels:
                raise UserError(
                    f"the {table.name} have the labels {table.labels}, the utterances {utterances.labels}"
                )
            ids = table.frame.filter(
                ~pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
            )
            if ids.height:
                raise UserError(
                    f"{ids.height} {table.name} are about no utterance here, the first {ids['utterance_id'][0]!r}"
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
        return cls(Utterances(ordered, labels), votes, distributions)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""
        return self.utterances.labels
