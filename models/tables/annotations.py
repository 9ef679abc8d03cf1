"""The table of annotations: one row per answer of an ALM to one prompt."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.tables.table import Table, check_one_of


class Annotations(Table):
    """One row per answer of an ALM to one prompt.

    ``logprobs`` has one natural-log probability per label, in the order of ``labels``, whose probabilities sum to 1
    (null for a refusal). ``label_mass``, in [0, 1], is the probability of all labels together before that
    normalisation. ``label`` is the label of a sampled answer (null otherwise).
    ``answered_by`` is the model that a provider says has answered (null for an ALM that runs here).
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
        "answered_by": pl.String,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        check_one_of(frame, "label", labels, where)
        lengths = frame["logprobs"].list.len().drop_nulls().unique().to_list()
        if lengths not in ([], [len(labels)]):
            raise UserError(
                f"{where}logprobs hold {lengths} numbers, but there are {counted(len(labels), 'label')}: {', '.join(labels)}"
            )
