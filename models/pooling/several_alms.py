"""The answers of several ALMs, from one or more files of annotations, each ALM with a name of its own.

Models of one kind have one name, such as two embedded ALMs with different towers. Where a name occurs in more than one
file, the first characters of the model's revision are added to it: ``tiny@49afbbba``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import (
    SyntheticDistributions,
    read_synthetic_distributions,
)

_REVISION_CHARACTERS = 8


def read_alms(
    paths: Sequence[Path], utterance_ids: pl.Series, labels: tuple[str, ...]
) -> tuple[SyntheticDistributions, ...]:
    """Aggregate files of annotations.

    Args:
        paths: files of annotations, of one or more ALMs each.
        utterance_ids: the N utterances of interest, in order.
        labels: the label set that the answers must be about.

    Returns:
        One entry per ALM, in the order of the files.

    Raises:
        UserError: see ``read_synthetic_distributions``; or two files hold answers of the same revision of an ALM.
    """
    answers = [
        (path, alm) for path in paths for alm in read_synthetic_distributions(path, utterance_ids, labels)
    ]
    count = Counter(alm.alm for _, alm in answers)
    named = tuple(
        replace(alm, alm=f"{alm.alm}@{_revision(path, alm.alm)}") if count[alm.alm] > 1 else alm
        for path, alm in answers
    )
    twice = [name for name, times in Counter(alm.alm for alm in named).items() if times > 1]
    if twice:
        raise UserError(
            f"more than one annotations file holds answers of {', '.join(sorted(twice))}; expected one file for each "
            "revision of an ALM"
        )
    return named


def _revision(path: Path, alm: str) -> str:
    """The beginning of the revision of an ALM in a file; of all, where the file has answers of several."""
    rows = pl.scan_parquet(path).filter(pl.col("alm") == alm).select("revision").unique().collect()
    return "+".join(sorted(str(revision)[:_REVISION_CHARACTERS] for revision in rows["revision"]))
