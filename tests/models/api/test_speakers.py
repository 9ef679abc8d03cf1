"""``speakers=``: names that match no utterance, and utterances whose speaker is not known."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import ambivox
from ambivox.models.api.speakers import speaker_numbers
from ambivox.models.errors import UserError

IDS = list("abcd")
VOTES = pl.DataFrame({"utterance_id": IDS * 2, "label": list("xyxyyxyx")})


def _groups(speakers: Any) -> int:
    return len(set(speaker_numbers(speakers, pl.Series(IDS)).tolist()))


def test_speakers_of_other_utterances_are_refused() -> None:
    by_position = pd.DataFrame({"utterance_id": IDS, "speaker": ["s", "s", "t", "t"]})["speaker"]
    for speakers in (by_position, {"z": "s"}, pl.DataFrame({"utterance_id": ["z"], "speaker": ["s"]})):
        with pytest.raises(
            UserError, match=r"which is no utterance_id of votes or probabilities.*'a'"
        ) as error:
            ambivox.pool(VOTES, speakers=speakers)
        assert "\n" not in str(error.value)


def test_some_unknown_names_are_a_warning_where_utterances_lack_a_speaker() -> None:
    with pytest.warns(
        UserWarning, match="1 name matches no utterance_id, such as 'D', and 1 utterance has no"
    ):
        ambivox.pool(VOTES, speakers={"a": "s", "b": "s", "c": "t", "D": "t"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ambivox.pool(VOTES, speakers=dict.fromkeys("abcdefgh", "s"))  # of a whole corpus


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, pd.NA, pd.NaT])
def test_utterances_without_a_speaker_count_as_one_of_their_own(missing: Any) -> None:
    mapping = {"a": "s", "b": "s", "c": missing, "d": missing}
    frame = pd.DataFrame({"utterance_id": IDS, "speaker": list(mapping.values())})
    assert _groups(mapping) == _groups(pd.Series(mapping)) == _groups(frame) == 3
    assert _groups(dict.fromkeys(IDS, missing)) == 4
    numbers = pl.DataFrame({"utterance_id": IDS, "speaker": [1.0, 1.0, math.nan, math.nan]})
    assert _groups(numbers) == 3


def test_an_utterance_has_one_speaker() -> None:
    frame = pl.DataFrame({"utterance_id": ["a", "a", "b"], "speaker": ["s", "t", "t"]})
    series = pd.Series(["s", "t", "t"], index=["a", "a", "b"])
    for speakers in (frame, series, {"a": "s", " a": "t"}):
        with pytest.raises(UserError, match="'a' has the speakers 's', 't', expected one"):
            ambivox.pool(VOTES, speakers=speakers)
    repeated = pl.DataFrame({"utterance_id": ["a", "a", "b"], "speaker": ["s", "s", "s"]})
    assert _groups(repeated) == 3
