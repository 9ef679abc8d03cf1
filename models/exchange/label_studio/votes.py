"""The votes in an export of Label Studio: one per annotator and utterance, the latest that was entered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from ambivox.models.exchange._opinions import votes_of
from ambivox.models.exchange.label_studio.results import read_opinions
from ambivox.models.exchange.label_studio.tasks import CHOICES_NAME
from ambivox.models.tables import Utterances, Votes


def read_votes(
    path: Path,
    utterances: Utterances,
    *,
    control: str = CHOICES_NAME,
    id_field: str = "utterance_id",
    known_annotators: Iterable[str] = (),
    imported_annotators: Iterable[str] = (),
) -> tuple[Votes, pl.DataFrame]:
    """Read human votes from Label Studio's result.

    An annotator is identified by the name in ``meta`` that ``write`` left, unless the annotation is a copy, else by e-mail
    address, else by number; a new user of whom only the number is known becomes ``label_studio-NUMBER``. If an annotator has several annotations of one utterance, the one that was entered last counts; without dates, the last in
    the file.

    Args:
        path: The JSON, JSON-MIN, CSV or TSV export.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        control: The name of the control with the labels.
        id_field: The field of a task's data with the utterance's id.
        known_annotators: Annotators of earlier votes. A name in the export that is one of them, whatever its case, is
            that annotator.
        imported_annotators: Annotators of earlier imports. Only they are meant by the numbers of Label Studio's users.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.

    Raises:
        UserError: The file is not a result of Label Studio.
    """
    return votes_of(
        read_opinions(path, control),
        utterances,
        path,
        id_field=id_field,
        known_annotators=known_annotators,
        imported_annotators=imported_annotators,
        tool="label_studio",
    )
