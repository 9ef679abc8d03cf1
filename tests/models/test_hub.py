"""Whether a model can be had from the hub is known within seconds."""

from __future__ import annotations

import gzip
import resource
import socket
import time

import pytest

from ambivox.models.alms import resolve
from ambivox.models.annotator_registry.candidate import SourceError
from ambivox.models.annotator_registry.watch import list_candidates
from ambivox.models.errors import UserError
from ambivox.models.hub import guard_client, model_commit
from ambivox.models.prompting.chat import load_chat
from tests.support.hub_server import HubServer
from tests.support.stub_servers import http_server


def test_a_hub_that_cannot_be_reached_is_one_line_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    with socket.socket() as probe:  # nothing listens there
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{probe.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(UserError, match=r"Qwen2-Audio.*not in the cache.*127.0.0.1.*folder") as refused:
            load_chat(resolve("qwen2_audio"))
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 60  # without the check, minutes


@pytest.mark.parametrize("failure", ["drip", "no end", "packed", "text", "nonsense"])
def test_an_answer_without_end_or_of_another_kind_is_one_line(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("ambivox.models.annotator_registry.hub_source._PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("ambivox.models.hub._MOST_API_SECONDS", 1.0)
    server.failure = failure
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for ask, error in (
            (lambda: model_commit("Qwen/a", None), UserError),
            (lambda: list_candidates("hub:author=Qwen"), SourceError),
        ):
            with pytest.raises(error) as refused:
                ask()
            assert "\n" not in str(refused.value)
            assert "hf_secret" not in str(refused.value)
    finally:
        server.close()
    assert time.monotonic() - started < 30  # a drip alone takes 50 s
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kibibytes


@pytest.mark.parametrize("status", [200, 302])
def test_a_compressed_file_of_a_hub_is_never_opened(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx2 = pytest.importorskip("httpx2")
    bomb = gzip.compress(gzip.compress(bytes(100_000_000)))
    fields = {"Content-Encoding": "gzip, gzip", "Location": "/elsewhere"}
    with http_server({}, (status, bomb, fields)) as root:
        monkeypatch.setenv("HF_ENDPOINT", root)
        client = guard_client(httpx2.Client(trust_env=False, follow_redirects=True))
        with client, pytest.raises(OSError, match="compressed content that was not asked for"):
            client.get(f"{root}/Qwen/a/resolve/main/config.json")
