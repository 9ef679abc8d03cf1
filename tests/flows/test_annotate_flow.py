"""The flow annotate on a real Prefect server: shards as tasks, retries, artifacts, one engine; and on Ray."""

from __future__ import annotations

import pytest

from ambivox.models.engines import EngineChoice
from ambivox.models.engines.fake import FakeEngine
from ambivox.models.errors import UserError
from ambivox.tasks.annotate import AnnotateOptions
from tests.support.hosted_server import PERSONALITIES, HostedServer
from tests.support.steps import annotate as step

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def options(make_utterances, tmp_path, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines._started", {})
    return {
        "utterances": str(make_utterances(12)),
        "alm": "qwen2_audio",
        "options": AnnotateOptions(engine="fake", shard=3, store=str(tmp_path / "store")),
        "out": str(tmp_path / "out"),
    }


def whole(options, tmp_path):
    """The same run by the step alone."""
    out = tmp_path / "whole"
    step(
        utterances=tmp_path / "utterances.parquet",
        alm="qwen2_audio",
        engine="fake",
        shard=3,
        store=str(tmp_path / "other"),
        out=out,
    )
    return out


def artifacts(key):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return sorted(found, key=lambda artifact: artifact.created)


def test_the_flow_fills_the_store_and_the_step_writes_the_tables(options, tmp_path, monkeypatch):
    from ambivox.flows import annotate as module

    started: list[EngineChoice] = []
    start = module_start = __import__("ambivox.models.engines.fake", fromlist=["start"]).start
    monkeypatch.setattr(
        "ambivox.models.engines.fake.start", lambda choice: started.append(choice) or module_start(choice)
    )
    module._prepared.cache_clear()
    module.annotate(**options, workers=2)
    assert start is module_start and len(started) == 1
    for name in ("annotations.parquet", "checks.json"):
        assert (tmp_path / "out" / name).read_bytes() == (whole(options, tmp_path) / name).read_bytes()
    progress = artifacts("annotate-progress")[-1]
    assert progress.data == 100 and "utterances/s" in progress.description
    summary = {
        row["what"]: row["value"] for row in __import__("json").loads(artifacts("annotate-summary")[-1].data)
    }
    assert (
        summary["refusals"] == "0" and summary["audio-sensitive"] == "True" and "canary JS (bits)" in summary
    )


def test_a_shard_that_fails_is_retried_by_itself_and_the_rest_is_stored(options, monkeypatch, tmp_path):
    from ambivox.flows import annotate as module

    score, calls = FakeEngine.score, []

    def failing(self, requests):
        calls.append(None)
        if len(calls) == 2:
            raise UserError("the engine is gone")
        return score(self, requests)

    monkeypatch.setattr(FakeEngine, "score", failing)
    module._prepared.cache_clear()
    module.annotate(**options)
    assert (tmp_path / "out" / "annotations.parquet").read_bytes() == (
        whole(options, tmp_path) / "annotations.parquet"
    ).read_bytes()
    module._prepared.cache_clear()
    before = len(calls)
    module.annotate(**options)
    assert len(calls) == before


def test_a_hosted_alm_is_asked_by_the_step_and_its_cost_is_an_artifact(
    make_utterances, tmp_path, monkeypatch
):
    from ambivox.flows import annotate as module

    server = HostedServer(PERSONALITIES["gemini"])
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    monkeypatch.setattr("ambivox.models.engines._started", {})
    module._prepared.cache_clear()

    def run(**decided):
        settings = AnnotateOptions(
            server=server.url,
            store=str(tmp_path / "store"),
            orders=1,
            drawn_votes=2,
            elicitation="sampled",
            **decided,
        )
        module.annotate(str(make_utterances(6)), "gemini_2_5_flash", str(tmp_path / "out"), settings)

    with pytest.raises(UserError, match="agree to the cost"):
        run(allow_hosted=True)
    run(allow_hosted=True, dry_run=True)
    assert not server.bodies
    run(allow_hosted=True, max_cost=1.0)
    rows = __import__("json").loads(artifacts("annotate-summary")[-1].data)
    summary = {row["what"]: row["value"] for row in rows}
    assert summary["paid requests"] == str(server.served) and float(summary["cost (USD)"]) > 0
    assert summary["answered by"] == "gemini-2.5-flash"
    server.close()


def test_shards_run_on_a_ray_cluster_of_two_workers(options, tmp_path):
    pytest.importorskip("prefect_ray")
    from ambivox.flows import annotate as module

    module._prepared.cache_clear()
    module.annotate(**options, runner="ray", workers=2)
    assert (tmp_path / "out" / "annotations.parquet").read_bytes() == (
        whole(options, tmp_path) / "annotations.parquet"
    ).read_bytes()
