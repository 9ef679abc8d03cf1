"""The server engine against servers that misbehave: retries, timeouts, refusals, and other models."""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl
import pytest

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice
from ambivox.models.engines._retry import BackOff
from ambivox.models.engines.server import KEY_VARIABLE, start
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat
from ambivox.models.tables import Annotations
from tests.support.steps import annotate
from tests.support.vllm_servers import ScriptedServer, free_port


@pytest.fixture
def scripted(small_alm, fresh_engine) -> Iterator[ScriptedServer]:
    tokenizer = load_chat(resolve(str(small_alm))).tokenizer
    server = ScriptedServer(lambda text: list(tokenizer.encode(text, add_special_tokens=False)))
    yield server
    server.http.shutdown()


@pytest.fixture
def run(small_alm, make_utterances, tmp_path):
    utterances = make_utterances(4)

    def call(url: str, server_timeout: float = 20.0, **options):
        return annotate(
            utterances=utterances,
            alm=str(small_alm),
            engine="server",
            server=url,
            server_timeout=server_timeout,
            shard=2,
            store=str(tmp_path / "store"),
            out=tmp_path / "out",
            splits=("train", "test"),
            **({"orders": 2} | options),
        )

    return call


def test_answers_are_read_and_the_key_is_sent(scripted, run, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    frame = Annotations.read(run(scripted.url) / "annotations.parquet").frame
    assert frame["engine"].unique().to_list() == ["vllm-server 0.30.0"]
    assert frame["label_mass"].to_list() == pytest.approx([0.95] * frame.height)
    assert set(scripted.keys) == {"Bearer secret"}


# What passes: a status, a body that is no answer, or no response at all.
FAULTS: tuple[int | bytes | None, ...] = (
    500,
    429,
    b"<html>",
    b"{}",
    b'{"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "token_id:1", "logprob": NaN}]}]}}]}',
    b'{"choices": [{"logprobs": {"content": [{"top_logprobs": []}]}}]}',
    None,
)


def test_what_passes_is_retried(scripted, run, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines._retrying_client._BACK_OFF", BackOff(0.02, 0.1))
    met = []

    def misbehave(number, handler):
        if number % 3:
            return False
        fault = FAULTS[number // 3 % len(FAULTS)]
        met.append(fault)
        if fault is None:
            handler.close_connection = True
            handler.connection.close()
        elif isinstance(fault, int):
            handler.reply({"error": "later"}, fault)
        else:
            handler.reply(fault)
        return True

    scripted.misbehave = misbehave
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16
    assert set(met) == set(FAULTS)


def test_a_server_that_hangs_is_asked_again(scripted, run, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines._retrying_client.REQUEST_SECONDS", 0.5)

    def misbehave(number, handler):
        if number != 2:
            return False
        time.sleep(2)
        handler.close_connection = True
        return True

    scripted.misbehave = misbehave
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16


def test_a_server_that_never_comes_back_is_a_named_failure_and_what_is_stored_stays(scripted, run, tmp_path):
    scripted.misbehave = lambda number, handler: (
        number > 30 and (handler.reply({"error": "broken"}, 500) or True)
    )
    with pytest.raises(UserError, match=r"gave up after .* status 500"):
        run(scripted.url, server_timeout=1.0)
    stored = sum(pl.read_parquet(file).height for file in (tmp_path / "store").rglob("*.parquet"))
    assert stored > 0
    scripted.misbehave = lambda *_: False
    before = scripted.completions
    assert len(Annotations.read(run(scripted.url) / "annotations.parquet")) == 16
    assert scripted.completions - before < 44


def test_what_will_never_pass_is_not_retried(scripted, run):
    scripted.misbehave = lambda _, handler: handler.reply({"error": "bad key"}, 401) or True
    with pytest.raises(UserError, match=r"refuses the request .*401.*bad key"):
        run(scripted.url)
    assert scripted.completions <= 40


def test_a_server_of_another_model_is_noticed(scripted, small_alm):
    scripted.encode = lambda _: [1, 2, 3]
    with pytest.raises(UserError, match="must be the same model"):
        start(EngineChoice("server", str(small_alm), scripted.url, 5.0))


def test_no_server_at_all(run):
    with pytest.raises(UserError, match="nothing listens there"):
        run(f"http://127.0.0.1:{free_port()}/v1", server_timeout=0.5)


def test_another_checkpoint_under_the_same_name_and_tokenizer_is_asked_again(scripted, run, capsys):
    run(scripted.url)
    before = scripted.completions
    run(scripted.url)
    probes = scripted.completions - before
    assert 0 < probes < before / 4  # nothing but the fixed prompts was asked again
    scripted.shares = (0.1, 0.2, 0.3, 0.35)
    capsys.readouterr()
    frame = Annotations.read(run(scripted.url) / "annotations.parquet").frame
    assert scripted.completions - before > before
    assert frame["logprobs"].list.get(0).n_unique() > 0
    assert (
        "answers stored with other settings are not used (they differ in engine_identity)"
        in capsys.readouterr().out
    )
