"""Replies that would harm the run, its files or its log: each is a named failure, or an answer without the harm."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal, Reply, hosted
from ambivox.models.engines._bounded_http import InvalidResponseError, request
from ambivox.models.engines._retry import BackOff
from ambivox.models.engines._server_kind import identify_server
from ambivox.models.engines._server_replies import parse_logprobs, parse_text
from ambivox.models.engines.hosted import api
from ambivox.models.engines.hosted.answer import parse_answer
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.server import KEY_VARIABLE, version
from ambivox.models.errors import OutageError, UserError
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support.stub_servers import Answer, http_server, socket_server

KEY = "sk-SECRETabcdef0123456789/+tail"
NOT_FOUND: Answer = (404, {"detail": "Not Found"}, {})
SAMPLED = GenerationSettings(0.7, 5, 1, choices="AB")
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], HostedEngine]:
    """``engine(address)`` with a key, and a journal in ``tmp_path``."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(api, "_BACK_OFF", BackOff(0.01, 0.05))

    def start(address: str) -> HostedEngine:
        return hosted.start(EngineChoice("hosted", "hosted:m", address, 1.0, tmp_path / "journal.sqlite"))

    return start


def asked(elicitation: str = "sampled") -> list[Request]:
    prompt = build_prompts(("anger", "joy"), BUILT_IN[:1], 1, elicitation=elicitation)[0]  # type: ignore[arg-type]
    return [Request(prompt, np.zeros(1600, np.float32), f"{0:064x}:0")]


def completion(text: str = "A", model: str = "m", **choice: Any) -> bytes:
    return json.dumps({"model": model, "choices": [{"message": {"content": text}} | choice]}).encode()


def listed(*logprobs: float) -> bytes:
    top = [{"token": token, "logprob": value} for token, value in zip("ABCD", logprobs, strict=False)]
    return completion(logprobs={"content": [{"top_logprobs": top}]})


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("logprobs", [(np.nan, -1.0), (np.inf, -1.0), (-0.1, -0.1), (500.0, -3.0)])
def test_what_are_no_log_probabilities_are_none_and_spoil_no_journal(
    logprobs: tuple[float, ...], engine: Callable[[str], HostedEngine], tmp_path: Path
) -> None:
    with http_server({COMPLETIONS: (200, listed(*logprobs), {})}, NOT_FOUND) as root:
        connected = engine(f"{root}/v1")
        with pytest.raises(UserError, match="returns no usable log-probabilities"):
            connected.score(asked("exact"))
        assert connected.generate(asked(), [SAMPLED]) == ["A"]
        assert connected.asker.spent().requests == 2
        connected.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        assert database.execute("SELECT min(json_valid(answer)) FROM answers").fetchall() == [(1,)]


def test_minus_infinity_is_the_probability_zero(engine: Callable[[str], HostedEngine]) -> None:
    with http_server({COMPLETIONS: (200, listed(0.0, -np.inf), {})}, NOT_FOUND) as root:
        connected = engine(f"{root}/v1")
        p_RK = np.exp(connected.score(asked("exact")).logprobs_RK)
        assert connected.asker.spent().requests == 1
        connected.close()
    assert p_RK.tolist() == [[1.0, pytest.approx(0.0, abs=1e-9)]]


@pytest.mark.parametrize(
    "encoding", ["gzip", "gzip, gzip", "br", ", ".join(["gzip"] * 5000)], ids=["one", "two", "br", "many"]
)
def test_a_compressed_body_is_never_opened(encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50_000_000)))
    answer: Answer = (200, bomb, {"Content-Encoding": encoding})
    with http_server({}, answer) as root, httpx.Client(trust_env=False) as client:
        with pytest.raises(InvalidResponseError, match=r"a compressed answer .*not asked for"):
            request(client, f"{root}/v1/models", seconds=5.0)
        with pytest.raises(UserError, match=r"this is no HTTP server .*compressed"):
            identify_server(root)


def test_no_compressed_body_is_asked_for() -> None:
    seen: list[bytes] = []

    def talk(connection: Any, _: Any) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket_server(talk) as root, httpx.Client(trust_env=False) as client:
        assert request(client, root, seconds=5.0).json() == {}
    assert b"accept-encoding: identity" in seen[0].lower()


@pytest.mark.parametrize("after", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 -0000", "Mon, 01 Jan 2030 00:00:00 +99999999999", "Mon,"])  # fmt: skip
def test_a_wait_of_years_ends_with_the_time_out(after: str, engine: Callable[[str], HostedEngine]) -> None:
    with http_server({}, (429, {"error": {"message": "slow"}}, {"Retry-After": after})) as root:
        connected, started = engine(f"{root}/v1"), time.monotonic()
        with pytest.raises(OutageError, match=r"gave up after .* status 429: slow"):
            connected.generate(asked(), [SAMPLED])
        connected.close()
    assert time.monotonic() - started < 10


def test_a_limit_that_is_reset_in_years_pauses_no_longer_than_the_time_out(
    engine: Callable[[str], HostedEngine],
) -> None:
    fields = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "999999h"}
    with http_server({COMPLETIONS: (200, completion(), fields)}, NOT_FOUND) as root:
        connected, started = engine(f"{root}/v1"), time.monotonic()
        for seed in range(3):
            connected.generate(asked(), [GenerationSettings(0.7, seed, 1, choices="AB")])
        connected.close()
    assert time.monotonic() - started < 10


def test_halves_of_surrogate_pairs_are_replaced(
    engine: Callable[[str], HostedEngine], tmp_path: Path
) -> None:
    with http_server({COMPLETIONS: (200, completion("A \ud83d and \udc00"), {})}, NOT_FOUND) as root:
        connected = engine(f"{root}/v1")
        assert connected.generate(asked(), [SAMPLED]) == ["A \ufffd and \ufffd"]
        connected.close()
    with http_server({COMPLETIONS: (200, completion(model="other\ud800"), {})}, NOT_FOUND) as root:
        connected = engine(f"{root}/v1")
        with pytest.raises(UserError, match="asked for m, but other\ufffd answered"):
            connected.generate(asked(), [SAMPLED])
        connected.close()
    assert b"ud83d" not in stored(tmp_path)


@pytest.mark.parametrize(
    "name", ["m\ud800", f"m-{KEY}", "m" * 200_000, ""], ids=["half", "key", "long", "empty"]
)
def test_a_name_of_a_model_that_cannot_be_asked_for_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    answers: dict[str, Answer] = {
        "/v1/models": (200, {"data": [{"id": name, "owned_by": "vllm"}]}, {}),
        "/version": (200, {"version": "0.30.0"}, {}),
        "/tokenize": (200, {"tokens": [7]}, {}),
    }
    with http_server(answers, NOT_FOUND) as root, pytest.raises(UserError) as caught:
        version(EngineChoice("server", "unused", f"{root}/v1"))
    message = str(caught.value)
    assert "gives no list of models" in message and len(message) < 1000
    assert "\n" not in message and "SECRET" not in message


@pytest.mark.parametrize(
    "body",
    [
        completion(f"A, your key is {KEY}"),
        completion(model=KEY),
        completion().replace(b'"A"', b'"' + KEY.replace("/", "\\/").replace("+", "\\u002B").encode() + b'"'),
        json.dumps({"choices": [{"message": {"refusal": f"no, {KEY}"}}]}).encode(),
        json.dumps({"choices": KEY, "model": KEY}).encode(),
        f"the key {KEY} is not JSON".encode(),
        b'data: {"model": "m", "choices": [{"delta": {"content": "' + KEY.encode() + b'"}, "finish_reason": "stop"}]}\n',
    ],
    ids=["text", "model", "escaped", "refusal", "shape", "no JSON", "stream"],
)  # fmt: skip
def test_a_key_in_an_answer_is_neither_kept_nor_shown(
    body: bytes, engine: Callable[[str], HostedEngine], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = ""
    with (
        http_server({COMPLETIONS: (200, body, {})}, NOT_FOUND) as root,
        caplog.at_level(logging.DEBUG, "ambivox"),
    ):
        connected = engine(f"{root}/v1")
        try:
            for reply in connected.generate(asked(), [SAMPLED]):
                assert isinstance(reply, Reply | Refusal)
                shown += f"{reply} {reply.answered_by}"
        except UserError as error:
            shown += str(error)
        connected.close()
    assert "***" in shown or "no chat completion" in shown
    for held in (shown, caplog.text, stored(tmp_path).decode("latin-1")):
        assert "SECRET" not in held


@pytest.mark.parametrize("status", [401, 400, 404, 500])
@pytest.mark.parametrize("before", ["", " " * 3978, "x " * 90])
def test_no_part_of_a_key_in_an_error_is_shown(
    status: int, before: str, engine: Callable[[str], HostedEngine]
) -> None:
    answer: Answer = (status, {"error": {"message": f"{before}{KEY}", "param": KEY}}, {})
    with http_server({}, answer) as root:
        connected = engine(f"{root}/v1")
        with pytest.raises(UserError) as caught:
            connected.generate(asked(), [SAMPLED])
        connected.close()
    assert not any(KEY[:length] in str(caught.value) for length in (4, 9))


def test_a_key_in_a_version_or_a_broken_header_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    answers: dict[str, Answer] = {
        "/v1/models": (200, {"data": [{"id": "m", "owned_by": "vllm"}]}, {}),
        "/version": (200, {"version": KEY}, {}),
        "/tokenize": (200, {"tokens": [7]}, {}),
    }
    with http_server(answers, NOT_FOUND) as root:
        assert version(EngineChoice("server", "unused", f"{root}/v1")) == "vllm-server ***"

    def talk(connection: Any, _: Any) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 {KEY}\r\n\r\n".encode())

    with socket_server(talk) as root, pytest.raises(UserError, match="no HTTP server") as caught:
        version(EngineChoice("server", "unused", f"{root}/v1"))
    assert "SECRET" not in str(caught.value)


def test_a_key_that_is_a_word_stays_in_the_answers(
    engine: Callable[[str], HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "none")
    with http_server({COMPLETIONS: (200, completion("none of them"), {})}, NOT_FOUND) as root:
        connected = engine(f"{root}/v1")
        assert connected.generate(asked(), [SAMPLED]) == ["none of them"]
        connected.close()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("http://me:SECRET-password@HOST/v1", "the password is SECRET-password"),
        ("http://HOST/v1?token=SECRET-token", "POST /v1?token=SECRET-token/chat/completions"),
        ("http://HOST/v1#SECRET", "A"),
    ],
)
def test_what_is_secret_in_an_address_is_neither_kept_nor_shown(
    address: str, text: str, engine: Callable[[str], HostedEngine], tmp_path: Path
) -> None:
    with http_server({}, (200, completion(text), {})) as root:
        host = root.removeprefix("http://")
        connected = engine(address.replace("HOST", host))
        assert connected.version == f"hosted {host} m"
        assert "SECRET" not in connected.generate(asked(), [SAMPLED])[0]
        connected.close()
        again = engine(f"{root}/v1")  # the same server, so the answer is paid already
        assert again.asker.spent().requests == 1
        again.close()
    assert b"SECRET" not in stored(tmp_path)


@pytest.mark.parametrize("body", [completion("A" * 100_000), completion(model="m" * 100_000), completion(logprobs={"content": [{"top_logprobs": [{"token": "", "logprob": -1}] * 10_000}]})], ids=["text", "model", "list"])  # fmt: skip
def test_an_answer_that_is_far_too_long_is_invalid(body: bytes) -> None:
    with pytest.raises(
        InvalidResponseError, match=r"an answer of \d+,\d+ characters, expected at most 65,536"
    ):
        parse_answer(json.loads(body))
    assert parse_answer(json.loads(completion("A" * 60_000))).text


def test_a_text_of_a_vllm_server_that_is_far_too_long_is_invalid() -> None:
    with pytest.raises(InvalidResponseError, match="expected at most 65,536"):
        parse_text(json.loads(completion("A" * 100_000)))


@pytest.mark.parametrize(
    ("values", "row"),
    [((-1e308, -0.1), [-9999.0, -0.1]), ((0.0, 0.0), None), ((-0.3, -0.4), None), ((0.0, -50.0), [0.0, -50.0]), ((-np.inf, 0.0), None)],
)  # fmt: skip
def test_log_probabilities_of_a_vllm_server_are_those_of_tokens_that_exclude_each_other(
    values: tuple[float, ...], row: list[float] | None
) -> None:
    top = [{"token": f"token_id:{number}", "logprob": value} for number, value in enumerate(values)]
    reply = {"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}
    if row is not None:
        assert parse_logprobs(reply, [0, 1]) == row
        return
    with pytest.raises(InvalidResponseError, match="probabilities"):
        parse_logprobs(reply, [0, 1])


def test_a_path_that_a_server_names_and_no_client_can_ask_is_invalid() -> None:
    with httpx.Client() as client, pytest.raises(InvalidResponseError, match="cannot be asked"):
        request(client, "http://127.0.0.1:9/batches/a\nb", seconds=1.0)
