"""Twenty kills at random moments of quick commands; `make crash-matrix` kills every step and command."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.nursery import Nursery
from tests.crashes.trial import Scenario, killed_and_resumed, uninterrupted
from tests.support.pooling_tables import simulated_corpus, write_files
from tests.support.tone_corpus import tone_corpus

TABLES = ("--utterances", "utterances.parquet", "--votes", "votes.parquet")
COMMANDS = {
    "annotate": (
        ("annotate", "--utterances", "utterances.parquet", "--alm", "qwen2_audio", "--engine", "fake", "--shard", "4", "--orders", "2", "--store", "store", "--out", "out"),
        ("store",),
        10,
    ),
    "export": (("export", *TABLES, "--format", "csv", "--out", "out"), (), 10),
}  # fmt: skip


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Per command a folder with its inputs."""
    tones, simulated = tmp_path_factory.mktemp("tones"), tmp_path_factory.mktemp("simulated")
    tone_corpus(tones, per_split=(10, 3, 3))
    write_files(simulated, simulated_corpus(rows=120, votes=5))
    return {"annotate": tones, "export": simulated}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_commands_resume_and_end_as_if_nothing_had_happened(
    name: str, nursery: Nursery, tables: dict[str, Path], tmp_path: Path
) -> None:
    words, stores, kills = COMMANDS[name]

    def prepare(folder: Path) -> None:
        shutil.copytree(tables[name], folder, dirs_exist_ok=True)

    scenario = Scenario(name, prepare, words, ("out",), stores)
    folders = [tmp_path / "uninterrupted", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    expected = uninterrupted(scenario, nursery, folders[0])
    killed = list(killed_and_resumed(scenario, expected, nursery, folders[1], kills, random.Random(kills)))
    assert len(killed) >= kills // 2
