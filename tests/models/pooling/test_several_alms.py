"""Names of ALMs from several files: unchanged where they differ, with the revision where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.several_alms import read_alms
from ambivox.models.tables import Annotations
from tests.support.pooling_tables import annotation_frame, label_names

_IDS, _NAMES = ["u1", "u2"], label_names(3)


def _file(path: Path, alm: str, revision: str, top: int) -> Path:
    q_NK = np.where(np.eye(3)[[top, top]] > 0, 0.8, 0.1)
    frame = annotation_frame(q_NK, _IDS).with_columns(alm=pl.lit(alm), revision=pl.lit(revision))
    Annotations.check(frame, _NAMES).write(path)
    return path


def test_names_that_differ_stay(tmp_path: Path) -> None:
    paths = [_file(tmp_path / "a", "tiny", "1" * 16, 0), _file(tmp_path / "b", "big", "1" * 16, 1)]
    found = read_alms(paths, pl.Series(_IDS), _NAMES)
    assert [alm.alm for alm in found] == ["tiny", "big"]
    assert [int(alm.q_NK[0].argmax()) for alm in found] == [0, 1]
    assert read_alms([], pl.Series(_IDS), _NAMES) == ()


def test_equal_names_get_their_revision_and_one_revision_twice_is_an_error(tmp_path: Path) -> None:
    first, second = (_file(tmp_path / f"{n}", "tiny", f"{n}" * 16, n) for n in (1, 2))
    found = read_alms([first, second], pl.Series(_IDS), _NAMES)
    assert [alm.alm for alm in found] == ["tiny@11111111", "tiny@22222222"]
    assert [int(alm.q_NK[0].argmax()) for alm in found] == [1, 2]
    with pytest.raises(UserError, match=r"tiny@11111111.*expected one file for each revision"):
        read_alms([first, second, first], pl.Series(_IDS), _NAMES)
