"""The server engine against a real `vllm serve` that is killed and restarted during a run."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import polars as pl
import pytest

from ambivox.models.engines import EngineChoice
from ambivox.models.engines import transformers as reference
from ambivox.models.tables import Annotations, Utterances
from tests.support.steps import annotate
from tests.support.vllm_servers import engine_ends, free_port, kill, serve, wait_until_ready


@pytest.mark.engine
@pytest.mark.server
@pytest.mark.timeout(900)
def test_a_real_server_killed_and_restarted_in_the_middle(
    tiny_alm, demo_corpus, tmp_path, monkeypatch, fresh_engine
):
    """On a trained ALM: the table equals that of an uninterrupted run, through the chat API too, and agrees with transformers."""
    port = free_port()
    corpus = Utterances.read(demo_corpus.utterances)
    sample = corpus.frame.filter(pl.col("split") == "test").head(16)
    utterances = Utterances(sample, corpus.labels).write(tmp_path / "utterances.parquet")
    stores = {name: tmp_path / f"{name}-store" for name in ("killed", "uninterrupted", "hosted", "reference")}

    def run(name: str, **options: object) -> None:
        annotate(
            utterances=utterances,
            splits=("test",),
            shard=2,
            orders=2,
            server=f"http://127.0.0.1:{port}/v1",
            store=str(stores[name]),
            out=tmp_path / name,
            **{"alm": str(tiny_alm), "engine": "server"} | options,
        )

    def shards(name: str) -> int:
        return len(list(stores[name].rglob("[!.]*.parquet")))

    failures: list[Exception] = []

    def run_and_report() -> None:
        try:
            run("killed")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    with (tmp_path / "log").open("w") as log:
        process = serve(tiny_alm, port, log)
        try:
            wait_until_ready(port, process)
            running = threading.Thread(target=run_and_report)
            running.start()
            while not shards("killed") and running.is_alive():
                time.sleep(0.01)
            kill(process)
            stored = shards("killed")
            assert running.is_alive(), "the run ended before the server was killed"
            process = serve(tiny_alm, port, log)
            running.join(timeout=400)
            assert not failures, failures
            assert not running.is_alive()
            run("uninterrupted")
            chat = {"alm": f"hosted:{tiny_alm}", "engine": "hosted", "elicitation": "exact"}
            run("hosted", **chat, allow_hosted=True, yes=True)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert engine_ends(process.pid), "the engine of a killed server is still alive"
        finally:
            kill(process)
    assert 0 < stored < shards("killed") == shards("uninterrupted")
    monkeypatch.setattr(
        "ambivox.models.annotation.run.open_engine",
        lambda _: reference.start(EngineChoice("transformers", str(tiny_alm))),
    )
    run("reference", engine="transformers")
    killed, uninterrupted, hosted, slow = (
        Annotations.read(tmp_path / name / "annotations.parquet").frame for name in stores
    )
    numbers = ["logprobs", "label_mass"]
    assert killed.drop(numbers).equals(uninterrupted.drop(numbers)) and killed.height == 16 * 4
    p, q, h, r = (
        np.exp(np.array(frame["logprobs"].to_list())) for frame in (killed, uninterrupted, hosted, slow)
    )
    # The batches differ, and with them the last digits.
    np.testing.assert_allclose(p, q, atol=1e-5)
    np.testing.assert_allclose(p, h, atol=1e-5)
    np.testing.assert_allclose(p, r, atol=1e-3)
    np.testing.assert_allclose(killed["label_mass"], slow["label_mass"], atol=1e-3)
    assert np.ptp(p, axis=0).max() > 0.1
