"""Pipes and devices beside a table, or in its place, are named and not waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.mapping_file import NAME
from ambivox.models.ingestion.table_files import SUFFIXES
from tests.support.wav_files import tone, write_wav

pytestmark = pytest.mark.timeout(60)
MAKE: list[Callable[[Path], None]] = [os.mkfifo, lambda path: path.symlink_to("/dev/zero")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    write_wav(folder / "a.wav", tone())
    (folder / "votes.csv").write_text("audio,annotator,label,speaker\na.wav,r1,anger,s1\n")
    return folder


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("suffix", [*SUFFIXES, ".numbers"])
def test_a_table_that_is_none_is_left_out_or_refused(root: Path, suffix: str, make) -> None:
    path = root / f"x{suffix}"
    make(path)
    assert load(root).utterances.height == 1
    (root / "votes.csv").unlink()
    with pytest.raises(UserError):
        load(root)
    with pytest.raises(UserError):
        load(path)


@pytest.mark.parametrize("make", MAKE)
def test_a_mapping_that_is_none_is_named(root: Path, make) -> None:
    make(root / NAME)
    with pytest.raises(UserError, match=f"{NAME}: found a pipe, a socket or a device"):
        load(root)
