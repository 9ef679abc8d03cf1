"""Fixtures: a small ingested demo corpus, and the embedded ALM trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Tables:
    """A folder of tables as Parquet files."""

    folder: Path

    @property
    def utterances(self) -> Path:
        """The utterances table."""
        return self.folder / "utterances.parquet"

    @property
    def votes(self) -> Path:
        """The votes that were kept."""
        return self.folder / "votes.parquet"


class IngestedDemo(Tables):
    """A folder of ingest, with held-out votes and the true distributions."""

    @property
    def heldout(self) -> Path:
        """The held-out votes."""
        return self.folder / "heldout.parquet"

    @property
    def truth(self) -> Path:
        """The distributions that votes were drawn from."""
        return self.folder / "truth.parquet"


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory: pytest.TempPathFactory) -> IngestedDemo:
    """Sixteen speakers with fourteen utterances each, three votes kept; takes seconds."""
    from tests.support.steps import ingest

    root = tmp_path_factory.mktemp("demo")
    ingest(
        corpus="demo",
        root=root / "raw",
        out=root / "ingest",
        options={"speakers": "16", "utterances": "14"},
        keep_votes=3,
        cache=root / "probe.json",
    )
    return IngestedDemo(root / "ingest")


@pytest.fixture(scope="session")
def tiny_alm(demo_corpus: IngestedDemo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a tiny ALM trained on ``demo_corpus``; takes less than a minute."""
    from tests.support.steps import pretrain

    folder = tmp_path_factory.mktemp("tiny")
    return pretrain(
        utterances=demo_corpus.utterances,
        votes=demo_corpus.votes,
        out=folder / "alm",
        tower="statistics",
        cache=folder / "cache",
    )
