"""Sources of ALMs: against a local server that speaks the hub's API, real folders, and a real S3 server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambivox.models.annotator_registry.candidate import SourceError
from ambivox.models.annotator_registry.watch import fetch_candidate, list_candidates
from ambivox.models.errors import UserError
from ambivox.models.hub import hub_token, model_commit
from ambivox.models.output_places import MARKER
from ambivox.models.prompting.model_folder import revision_of
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
    pytest.importorskip("huggingface_hub")
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("ambivox.models.annotator_registry.hub_source._PAUSE_SECONDS", 0.01)
    yield server
    server.close()


def names(source: str) -> list[str]:
    return [candidate.alm for candidate in list_candidates(source)]


def test_hub_by_author_filter_and_collection(hub: HubServer, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    for name in ("Qwen/a", "Qwen/b", "Qwen/c", "Qwen/d", "Other/e"):
        hub.put(name, folder)
    hub.put("Qwen/text", folder, tags=("text-generation",))
    hub.collections["team/watched-0123"] = ["Other/e", "Qwen/b"]
    assert names("hub:author=Qwen") == ["Qwen/a", "Qwen/b", "Qwen/c", "Qwen/d", "Qwen/text"]
    assert "sort=lastModified" in hub.requests[0]
    filtered = list_candidates("hub:author=Qwen,filter=audio-text-to-text")
    assert [candidate.alm for candidate in filtered] == ["Qwen/a", "Qwen/b", "Qwen/c", "Qwen/d"]
    assert names("hub:collection=team/watched-0123") == ["Other/e", "Qwen/b"]
    assert {candidate.version for candidate in filtered} == {hub.models["Qwen/a"]["sha"]}


def test_a_gated_model_without_a_commit_is_skipped(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    hub.put_gated("Qwen/gated")
    hub.collections["team/watched-0123"] = ["Qwen/gated", "Qwen/a"]
    assert names("hub:author=Qwen") == ["Qwen/a"]
    assert names("hub:collection=team/watched-0123") == ["Qwen/a"]


def test_the_token_goes_to_the_hub_and_to_no_other_host(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    other = HubServer()
    try:
        for server in (hub, other):
            for name in ("Qwen/a", "Qwen/b", "Qwen/c"):
                server.put(name, model_folder(tmp_path / "m"))
        hub.next_page_url = other.url
        assert names("hub:author=Qwen") == ["Qwen/a", "Qwen/b", "Qwen/c"]
        assert hub.tokens == ["Bearer hf_secret"]
        assert other.tokens == [""]
        hub.trees_continue = True
        fetch_candidate(list_candidates("hub:author=Qwen")[0], tmp_path / "cache")
        assert any("/tree/" in request for request in other.requests)
        assert set(other.tokens) == {""}
    finally:
        other.close()


@pytest.mark.parametrize(
    "commit", ["../../../out", "/tmp/out", "..", "main", "a" * 39, "A" * 40, "\x1b[2J", "0" * 5000]
)
def test_a_commit_that_is_none_names_no_path(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    listed = list_candidates("hub:author=Qwen")[0]
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SourceError, match="is no commit"):
        fetch_candidate(replace(listed, version=commit), tmp_path / "cache")
    hub.models["Qwen/a"]["sha"] = commit
    with pytest.raises(SourceError, match="which is no commit"):
        list_candidates("hub:author=Qwen")
    with pytest.raises(UserError, match="which is no commit"):
        model_commit("Qwen/a", None)
    assert set(tmp_path.rglob("*")) == before


def test_what_is_said_of_a_file_is_a_commit(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """huggingface_hub makes a folder of that name in its cache."""
    from huggingface_hub import hf_hub_download

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    hub.called_commit = "../../../outside"
    with pytest.raises(OSError, match="in place of a commit"):
        hf_hub_download(
            "Qwen/a", "config.json", cache_dir=tmp_path / "cache", endpoint=hub.url, token=hub_token()
        )
    assert not list(tmp_path.rglob("*outside*"))


@pytest.mark.parametrize(
    "name", ["../x.json", "a/../../x.json", "/x.json", "a\\..\\..\\x.json", "\x1b[2J.json", "a\0.json"]
)
def test_files_that_lead_elsewhere_are_not_fetched(hub: HubServer, tmp_path: Path, name: str) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    hub.models["Qwen/a"]["files"][name] = tmp_path / "m/config.json"
    with pytest.raises(SourceError) as raised:
        fetch_candidate(list_candidates("hub:author=Qwen")[0], tmp_path / "cache")
    assert "\n" not in str(raised.value)
    assert not [path for path in tmp_path.rglob("*.json") if not path.is_relative_to(tmp_path / "m")]


def test_a_changed_model_is_a_new_version(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "1", "one"))
    before = list_candidates("hub:author=Qwen")
    assert list_candidates("hub:author=Qwen") == before
    hub.put("Qwen/a", model_folder(tmp_path / "2", "two"))
    after = list_candidates("hub:author=Qwen")
    assert after[0].alm == before[0].alm
    assert after[0].version != before[0].version


def test_weights_and_text_are_downloaded_but_no_code_and_no_pickles(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m", "weights"))
    fetched = fetch_candidate(list_candidates("hub:author=Qwen")[0], tmp_path / "cache")
    assert (fetched / "model.safetensors").read_text() == "weights"
    assert not list(fetched.rglob("*.py"))
    assert not list(fetched.rglob("*.bin"))
    requests = len(hub.requests)
    assert fetch_candidate(list_candidates("hub:author=Qwen")[0], tmp_path / "cache") == fetched
    assert len(hub.requests) == requests + 1  # the list alone; nothing is downloaded twice


@pytest.mark.parametrize("failure", ["500", "429", "hang", "nonsense", "wrong type"])
def test_a_hub_that_fails_is_named_after_three_attempts(hub: HubServer, failure: str) -> None:
    hub.failure = failure
    with pytest.raises(SourceError, match="api/models") as raised:
        list_candidates("hub:author=Qwen", timeout_seconds=0.3)
    assert len(hub.requests) == 3
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("failure", ["403", "absent collection"])
def test_a_hub_that_refuses_is_asked_once(hub: HubServer, failure: str) -> None:
    hub.failure = failure
    with pytest.raises(SourceError, match=r"answered 40[34]") as raised:
        list_candidates("hub:collection=team/absent")
    assert len(hub.requests) == 1
    assert "\n" not in str(raised.value)


def test_a_hub_that_recovers_is_listed(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    hub.failure = "once"
    assert names("hub:author=Qwen") == ["Qwen/a"]


def test_listing_leaves_the_client_of_huggingface_hub_as_it_was(hub: HubServer) -> None:
    from huggingface_hub import get_session

    before = type(get_session()), get_session().timeout
    list_candidates("hub:author=Qwen", timeout_seconds=0.3)
    assert (type(get_session()), get_session().timeout) == before


def test_a_broken_download_leaves_no_partial_model(hub: HubServer, tmp_path: Path) -> None:
    hub.put("Qwen/a", model_folder(tmp_path / "m"))
    candidate = list_candidates("hub:author=Qwen")[0]
    hub.models.clear()
    with pytest.raises(SourceError, match="could not be downloaded"):
        fetch_candidate(candidate, tmp_path / "cache")
    assert not any((tmp_path / "cache").glob("Qwen*"))


def test_folder_source(tmp_path: Path) -> None:
    good = model_folder(tmp_path / "models/good")
    (tmp_path / "models/not-a-model").mkdir()
    source = f"folder:{tmp_path}/models"
    candidates = list_candidates(source)
    assert [candidate.alm for candidate in candidates] == ["good"]
    assert candidates[0].version == revision_of(good)
    assert fetch_candidate(candidates[0], tmp_path / "cache") == good
    (good / "README.md").write_text("does not decide an answer")
    assert list_candidates(source) == candidates
    (good / "model.safetensors").write_text("other")
    assert list_candidates(source)[0].version != candidates[0].version


def test_a_folder_without_weights_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model_folder(tmp_path / "good")
    (model_folder(tmp_path / "half-copied") / "model.safetensors").unlink()
    with caplog.at_level(logging.WARNING):
        assert names(f"folder:{tmp_path}") == ["good"]
    assert "half-copied: no *.safetensors" in caplog.text


@pytest.mark.parametrize("source", ["ftp://x", "hub:autor=Qwen", "hub:author=", "folder:/does/not/exist"])
def test_a_mistyped_source_says_what_is_expected(source: str) -> None:
    with pytest.raises(UserError, match=r"expected|no such folder"):
        list_candidates(source)


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
        candidates = list_candidates("s3://models/alms")
        assert [candidate.alm for candidate in candidates] == ["good"]
        fetched = fetch_candidate(candidates[0], tmp_path / "cache")
        assert {path.name for path in fetched.iterdir()} == {MARKER, "config.json", "model.safetensors"}
        assert revision_of(fetched) == revision_of(folder)
        client.put_object(Bucket="models", Key="alms/good/model.safetensors", Body=b"new weights")
        assert list_candidates("s3://models/alms")[0].version != candidates[0].version
        with pytest.raises(SourceError, match=r"NoSuchBucket|no such object"):
            list_candidates("s3://absent/alms")
    finally:
        server.stop()
