"""Pointers of git-lfs in place of tables are named as such, whatever format the table would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models import regular_files
from ambivox.models.errors import UserError
from ambivox.models.ingestion.reading import read_table
from ambivox.models.parquet_files import read_parquet


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".xlsx", ".ods"])
def test_a_pointer_of_git_lfs_is_named_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"votes{suffix}"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n")
    with pytest.raises(UserError, match=r"a pointer of git-lfs, not the file itself; run `git lfs pull`"):
        read_table(path, ["label"])


def test_a_pointer_of_git_lfs_as_a_table_of_the_pipeline_or_a_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "votes.parquet"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n")
    for read in (read_parquet, regular_files.read_text):
        with pytest.raises(UserError, match="run `git lfs pull`"):
            read(path, "votes")
