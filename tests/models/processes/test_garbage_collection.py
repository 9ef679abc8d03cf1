"""The garbage collector is as it was before a pause."""

from __future__ import annotations

import gc

import pytest

from ambivox.models.processes.garbage_collection import without_garbage_collection


def test_collection_is_paused_and_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="cut"), without_garbage_collection():
        assert not gc.isenabled()
        raise ValueError("cut")
    assert gc.isenabled()


def test_a_pause_within_a_pause_does_not_end_it() -> None:
    with without_garbage_collection():
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
