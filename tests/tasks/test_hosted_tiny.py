"""A real ALM behind the local hosted server: its sampled votes follow the distributions that it has on an engine here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.engines import EngineChoice, close_engines
from ambivox.models.engines import transformers as reference
from ambivox.models.tables import Annotations, Utterances
from tests.support.annotation_runs import read_annotations, read_checks
from tests.support.hosted_alm import AlmBehindServer
from tests.support.hosted_server import PERSONALITIES, HostedServer
from tests.support.steps import annotate
from tests.support.tiny_fixtures import IngestedDemo

UTTERANCES, VOTES = 10, 10


@pytest.fixture
def server(tiny_alm: Path, fresh_engine: None) -> Iterator[HostedServer]:
    import torch

    # Small batches wait longer for a second thread than it helps.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    engine = reference.start(EngineChoice("transformers", str(tiny_alm)))
    running = HostedServer(PERSONALITIES["gemini"], alm=AlmBehindServer(engine))
    yield running
    running.close()
    close_engines()
    torch.set_num_threads(threads)


def test_votes_through_the_server_are_those_of_the_alm(
    server: HostedServer,
    tiny_alm: Path,
    demo_corpus: IngestedDemo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    table = Utterances.read(demo_corpus.utterances)
    few = table.in_splits("test").frame.head(UTTERANCES)
    Utterances.check(few, table.labels).write(tmp_path / "utterances.parquet")
    store = str(tmp_path / "store")

    def run(name: str, **options: object) -> Path:
        return annotate(
            utterances=tmp_path / "utterances.parquet",
            out=tmp_path / name,
            store=store,
            splits=("test",),
            personas=("paper",),
            orders=1,
            **options,
        )

    exact = read_annotations(run("exact", alm=str(tiny_alm), engine="transformers"))
    hosted = run(
        "hosted",
        alm="gemini_2_5_flash",
        server=server.url,
        elicitation="sampled",
        drawn_votes=VOTES,
        allow_hosted=True,
        max_cost=1.0,
    )
    votes = read_annotations(hosted)
    assert len(votes) == UTTERANCES * VOTES and not votes.frame["refused"].any()
    assert read_checks(hosted)["audio_sensitive"] is True
    p_NK, vote_N = _asked(exact, votes)
    assert abs(_surprise(p_NK, vote_N)) < 4
    # The same votes about other clips would stand out.
    other_N = np.roll(vote_N, 5 * VOTES)
    assert _surprise(p_NK, other_N) < -5


def _asked(exact: Annotations, votes: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """What each vote was drawn from by the engine here, ``p_NK``, and the number of its label, ``vote_N``."""
    keys = ["utterance_id", "persona", "option_order"]
    known = exact.frame.select(*keys, p=pl.col("logprobs"))
    joined = votes.frame.join(known, on=keys, how="left", maintain_order="left")
    scaled_NK = np.array(joined["p"].to_list()) / joined["temperature"].to_numpy()[:, None]
    p_NK = np.exp(scaled_NK - np.logaddexp.reduce(scaled_NK, axis=1)[:, None])
    return p_NK, np.array([votes.labels.index(label) for label in joined["label"]])


def _surprise(p_NK: np.ndarray, vote_N: np.ndarray) -> float:
    """The log-likelihood of votes in standard deviations from what it is on average; about normal."""
    log_NK = np.log(np.maximum(p_NK, 1e-12))
    mean_N = (p_NK * log_NK).sum(1)
    variance_N = (p_NK * log_NK**2).sum(1) - mean_N**2
    observed_N = log_NK[np.arange(len(vote_N)), vote_N]
    return float((observed_N - mean_N).sum() / np.sqrt(variance_N.sum()))
