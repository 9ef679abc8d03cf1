"""Who speaks: a mapping, a pandas Series or a frame, as a number per speaker."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.arguments import is_missing
from ambivox.models.api.frames import UTTERANCE, Frame, text, to_polars
from ambivox.models.counted import counted
from ambivox.models.errors import UserError

_STACKLEVEL = 5  # the caller of pool, equivalent_votes, plan_labels or validate


def speaker_numbers(speakers: Frame | Mapping[str, str] | None, ids: pl.Series) -> np.ndarray:
    """A number per speaker.

    Args:
        speakers: see ``ambivox.pool``; None if nothing is known.
        ids: N utterances, each once.

    Returns:
        ``speaker_N``. An utterance whose speaker is not known (absent, None or nan) counts as one of its own.

    Raises:
        UserError: it is no table, names no utterance of ``ids``, or gives an utterance two speakers.

    Examples:
        >>> speaker_numbers({"a": "kim", "b": "kim", "c": None}, pl.Series(["a", "b", "c"])).tolist()
        [1, 1, 0]
    """
    if speakers is None:
        return np.arange(len(ids))
    frame = _pairs(speakers).unique(maintain_order=True)
    _check_known(frame[UTTERANCE].unique(maintain_order=True), ids, frame.drop_nulls())
    frame = frame.drop_nulls()
    twice = frame.filter(pl.col(UTTERANCE).is_duplicated())
    if twice.height:
        utterance = twice[UTTERANCE][0]
        found = twice.filter(pl.col(UTTERANCE) == utterance)["speaker"]
        raise UserError(
            f"speakers: {utterance!r} has the speakers {', '.join(map(repr, found[:5]))}, expected one; correct the table"
        )
    names = dict(frame.iter_rows())
    return np.unique([names.get(utterance, "\0" + utterance) for utterance in ids], return_inverse=True)[1]


def _pairs(speakers: Any) -> pl.DataFrame:
    """Utterances and their speakers; a speaker that is missing is null."""
    is_series = hasattr(speakers, "to_dict") and not hasattr(speakers, "columns")  # of pandas
    if is_series or (isinstance(speakers, Mapping) and UTTERANCE not in speakers):
        rows = [
            (str(utterance).strip(), None if is_missing(speaker) else str(speaker))
            for utterance, speaker in speakers.items()
        ]
        return pl.DataFrame(rows, schema={UTTERANCE: pl.String, "speaker": pl.String}, orient="row")
    frame = to_polars(speakers, "speakers", (UTTERANCE, "speaker"))
    if "speaker" not in frame.columns:
        raise UserError("speakers: found no column 'speaker'; rename the column that names who speaks")
    if frame["speaker"].dtype.is_float():
        frame = frame.with_columns(pl.col("speaker").fill_nan(None))
    return frame.select(UTTERANCE, text(frame, "speaker", "speakers"))


def _check_known(named: pl.Series, ids: pl.Series, known: pl.DataFrame) -> None:
    """Refuse speakers of other utterances; warn where some names match none, and utterances lack a speaker."""
    strange = named.filter(~named.is_in(ids.to_list()))
    if not len(strange):
        return
    if len(strange) == len(named):
        raise UserError(
            f"speakers: found {strange[0]!r}, which is no {UTTERANCE} of votes or probabilities, expected names such as "
            f"{ids[0]!r}; give a mapping from them, a frame with {UTTERANCE} and 'speaker', or a Series with them as its index"
        )
    lacking = ids.filter(~ids.is_in(known[UTTERANCE].to_list()))
    if len(lacking):
        warnings.warn(
            f"speakers: {counted(len(strange), 'name matches', 'names match')} no {UTTERANCE}, such as {strange[0]!r}, and "
            f"{counted(len(lacking), 'utterance has', 'utterances have')} no speaker, such as {lacking[0]!r}; write them alike",
            stacklevel=_STACKLEVEL,
        )
