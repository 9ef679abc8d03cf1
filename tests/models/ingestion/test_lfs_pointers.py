"""Pointers of git-lfs in place of tables are named as such, whatever format the table would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models import regular_files
from ambivox.models.corpora import lhotse, table
from ambivox.models.errors import UserError
from ambivox.models.ingestion.reading import read_table
from ambivox.models.parquet_files import read_parquet
from tests.support.found_tables import rows, write, write_recordings

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".xlsx", ".ods"])
def test_a_pointer_of_git_lfs_is_named_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"votes{suffix}"
    path.write_text(POINTER)
    with pytest.raises(UserError, match=r"a pointer of git-lfs, not the file itself; run `git lfs pull`"):
        read_table(path, ["label"])


def test_a_pointer_of_git_lfs_as_a_table_of_the_pipeline_or_a_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "votes.parquet"
    path.write_text(POINTER)
    for read in (read_parquet, regular_files.read_text):
        with pytest.raises(UserError, match="run `git lfs pull`"):
            read(path, "votes")


@pytest.mark.parametrize(
    "name", ["ratings.csv", "ratings.parquet", "ratings.xlsx", "part2.csv", "ambivox-table.toml"]
)
def test_a_pointer_beside_a_readable_table_is_named(tmp_path: Path, name: str) -> None:
    write_recordings(tmp_path)
    write(tmp_path / "part1.csv", ["file", "speaker", "rater", "emotion"], rows())
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(UserError, match=rf"{name}: a pointer of git-lfs"):
        table.load(tmp_path)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("kind", ["recordings", "supervisions"])
def test_a_pointer_as_a_manifest_of_lhotse_is_named(tmp_path: Path, kind: str, suffix: str) -> None:
    for each in ("recordings", "supervisions"):
        (tmp_path / f"{each}.jsonl").touch()
    (tmp_path / f"{kind}.jsonl").unlink()
    (tmp_path / f"{kind}{suffix}").write_text(POINTER)
    with pytest.raises(UserError, match=rf"{kind}{suffix}: a pointer of git-lfs"):
        lhotse.load(tmp_path)
