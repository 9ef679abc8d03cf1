"""Watching for new ALMs: against a local server that speaks the hub's API, real folders, and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ambivox.models.annotator_registry.watch import SourceError, candidates, fetch, folder_revision
from ambivox.models.errors import UserError
from tests.support.hub_server import HubServer


def model_folder(path: Path, text: str = "weights") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_text(text)
    (path / "modeling.py").write_text("raise SystemExit('never fetched, never run')")
    (path / "pytorch_model.bin").write_bytes(b"a pickle")
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr("ambivox.models.annotator_registry.watch._PAUSE_SECONDS", 0.01)
    yield server
    server.close()


def test_hub_by_author_filter_and_collection(hub: HubServer, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    for name in ("Qwen/a", "Qwen/b", "Qwen/c", "Qwen/d", "Other/e"):
        hub.put(name, folder)
    hub.put("Qwen/text", folder, tags=("text-generation",))
    hub.collections["team/watched-0123"] = ["Other/e", "Qwen/b"]
    assert [one.alm for one in candidates("hub:author=Qwen")] == [
        "Qwen/a",
        "Qwen/b",
        "Qwen/c",
        "Qwen/d",
        "Qwen/text",
    ]
    found = candidates("hub:author=Qwen,filter=audio-text-to-text")
    assert [one.alm for one in found] == ["Qwen/a", "Qwen/b", "Qwen/c", "Qwen/d"]
    assert [one.alm for one in candidates("hub:collection=team/watched-0123")] == ["Other/e", "Qwen/b"]
    assert {one.revision for one in found} == {hub.models["Qwen/a"]["sha"]}


def test_a_changed_model_is_a_new_revision(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "1", "one"))
    before = candidates("hub:author=Qwen")
    assert candidates("hub:author=Qwen") == before
    hub.put("Qwen/a", model_folder(tmp_path / "2", "two"))
    after = candidates("hub:author=Qwen")
    assert after[0].alm == before[0].alm
    assert after[0].revision != before[0].revision


def test_fetch_takes_weights_and_text_but_no_code_and_no_pickles(hub: HubServer, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    hub.put("Qwen/a", model_folder(tmp_path / "m", "weights"))
    fetched = fetch(candidates("hub:author=Qwen")[0], tmp_path / "cache")
    assert (fetched / "model.safetensors").read_text() == "weights"
    assert not list(fetched.rglob("*.py"))
    assert not list(fetched.rglob("*.bin"))
    asked = len(hub.requests)
    assert fetch(candidates("hub:author=Qwen")[0], tmp_path / "cache") == fetched
    assert len(hub.requests) == asked + 1  # the listing alone; what is fetched is not fetched twice


@pytest.mark.parametrize("trouble", ["500", "hang", "nonsense"])
def test_a_hub_in_trouble_is_named_after_three_tries(hub: HubServer, trouble: str) -> None:
    hub.trouble = trouble
    with pytest.raises(SourceError, match="api/models"):
        candidates("hub:author=Qwen", timeout_seconds=0.3)
    assert len(hub.requests) == 3


def test_a_hub_that_comes_back_is_answered(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    hub.trouble = "once"
    assert [one.alm for one in candidates("hub:author=Qwen")] == ["Qwen/a"]


def test_a_broken_download_leaves_no_half_model(hub: HubServer, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    found = candidates("hub:author=Qwen")[0]
    del hub.models["Qwen/a"]["files"]["model.safetensors"]
    hub.models.clear()
    with pytest.raises(SourceError, match="could not be fetched"):
        fetch(found, tmp_path / "cache")
    assert not any((tmp_path / "cache").glob("Qwen*"))


def test_folder_source(tmp_path: Path) -> None:
    model_folder(tmp_path / "models/good")
    (tmp_path / "models/not-a-model").mkdir()
    found = candidates(f"folder:{tmp_path}/models")
    assert [one.alm for one in found] == ["good"]
    assert found[0].revision == folder_revision(tmp_path / "models/good")
    assert fetch(found[0], tmp_path / "cache") == tmp_path / "models/good"
    (tmp_path / "models/good/model.safetensors").write_text("other")
    assert candidates(f"folder:{tmp_path}/models")[0].revision != found[0].revision


@pytest.mark.parametrize("source", ["ftp://x", "hub:autor=Qwen", "hub:author=", "folder:/does/not/exist"])
def test_a_mistyped_source_says_what_is_expected(source: str) -> None:
    with pytest.raises(UserError, match=r"expected|no such folder"):
        candidates(source)


@pytest.mark.server
def test_s3_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        folder = model_folder(tmp_path / "m")
        for path in folder.iterdir():
            client.upload_file(str(path), "models", f"alms/good/{path.name}")
        client.put_object(Bucket="models", Key="alms/readme.txt", Body=b"x")
        found = candidates("s3://models/alms")
        assert [one.alm for one in found] == ["good"]
        fetched = fetch(found[0], tmp_path / "cache")
        assert sorted(path.name for path in fetched.iterdir()) == ["config.json", "model.safetensors"]
        client.put_object(Bucket="models", Key="alms/good/model.safetensors", Body=b"new weights")
        assert candidates("s3://models/alms")[0].revision != found[0].revision
        with pytest.raises(SourceError, match="NoSuchBucket"):
            candidates("s3://absent/alms")
    finally:
        server.stop()
