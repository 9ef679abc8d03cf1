"""Errors cross process boundaries as they are: with their kind, their line and their attributes."""

from __future__ import annotations

import pickle

import pytest

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.errors import MissingExtraError, OutageError, TooLittleDataError, UserError
from ambivox.models.ingestion.columns import MissingColumnsError
from ambivox.models.object_store import ObjectStoreOutageError


@pytest.mark.parametrize(
    "error",
    [
        UserError("a.csv: no table"),
        OutageError("no server"),
        TooLittleDataError("three votes"),
        MissingExtraError("ray", "ray"),
        MissingColumnsError("label is missing"),
        ObjectStoreOutageError("s3://b: slow"),
        AudioError("a.wav: no sound", "empty"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_are_pickled_with_their_attributes(error: UserError) -> None:
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    assert (type(restored), str(restored), vars(restored)) == (type(error), str(error), vars(error))
