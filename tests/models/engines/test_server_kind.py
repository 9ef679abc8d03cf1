"""What answers at --server: each kind of server is named in one line within 10 seconds, and vLLM is taken as it is."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from ambivox.models.engines import EngineChoice, hosted
from ambivox.models.engines._server_kind import identify_server
from ambivox.models.engines._server_marks import VLLM
from ambivox.models.engines.server import KEY_VARIABLE, version
from ambivox.models.errors import UserError
from tests.support.stub_servers import Answer, http_server, socket_server
from tests.support.vllm_servers import free_port

LIMIT_SECONDS = 10.0
NOT_FOUND: Answer = (404, {"detail": "Not Found"}, {})
GO_NOT_FOUND: Answer = (404, b"404 page not found", {"Content-Type": "text/plain"})
PAGE: Answer = (200, b"<!doctype html><title>Shop</title>", {"Content-Type": "text/html"})


def listing(owner: str | None = None, name: str = "served-model") -> Answer:
    entry: dict[str, Any] = {"id": name, "object": "model"} | ({"owned_by": owner} if owner else {})
    return 200, {"object": "list", "data": [entry]}, {}


VLLM_ANSWERS: dict[str, Answer] = {
    "/v1/models": listing("vllm"),
    "/version": (200, {"version": "0.30.0"}, {}),
    "/tokenize": (200, {"tokens": [7], "count": 1, "max_model_len": 512}, {}),
}

# Name, answers, the default answer, and what the line says.
OTHERS: list[tuple[str, dict[str, Answer], Answer, str]] = [
    ("llama.cpp by owner", {"/v1/models": listing("llamacpp")}, NOT_FOUND, "llama.cpp"),
    (
        "llama.cpp by properties",
        {"/v1/models": listing(), "/props": (200, {"default_generation_settings": {}}, {})},
        (404, {"error": {"code": 404}}, {}),
        "llama.cpp",
    ),
    ("llama.cpp by header", {"/v1/models": listing()}, (404, b"", {"Server": "llama.cpp"}), "llama.cpp"),
    ("llama.cpp, version only", {"/v1/models": listing("llamacpp"), "/version": (200, {"version": "b9"}, {})}, NOT_FOUND, "llama.cpp"),
    ("SGLang by owner", {"/v1/models": listing("sglang"), "/version": (200, {"version": "0.6"}, {})}, NOT_FOUND, "SGLang .version 0.6"),
    ("SGLang by information", {"/v1/models": listing(), "/server_info": (200, {"tp_size": 1}, {})}, NOT_FOUND, "SGLang"),
    ("SGLang, silent about itself", {"/v1/models": listing(), "/version": (200, {"version": "0.6"}, {})}, NOT_FOUND, "such as SGLang, LiteLLM"),
    ("LiteLLM by header", {"/v1/models": listing("openai")}, (404, {}, {"x-litellm-version": "1.8"}), "LiteLLM"),
    ("LiteLLM by health", {"/v1/models": listing("openai"), "/health/readiness": (200, {"litellm_version": "1.80"}, {})}, NOT_FOUND, "LiteLLM .version 1.80"),
    ("LM Studio by owner", {"/v1/models": listing("organization_owner")}, NOT_FOUND, "LM Studio"),
    ("LM Studio, 200 for all", {"/v1/models": listing()}, (200, {"error": "Unexpected endpoint or method. (GET /x)"}, {}), "LM Studio"),
    ("Ollama by owner", {"/v1/models": listing("library")}, GO_NOT_FOUND, "Ollama"),
    ("Ollama by root", {"/": (200, b"Ollama is running", {}), "/v1/models": listing()}, NOT_FOUND, "Ollama"),
    ("Ollama by version", {"/v1/models": listing(), "/api/version": (200, {"version": "0.20"}, {})}, NOT_FOUND, "Ollama .version 0.20"),
    ("LMDeploy", {"/v1/models": listing("lmdeploy")}, NOT_FOUND, "LMDeploy"),
    ("TGI", {"/v1/models": listing(), "/info": (200, {"max_total_tokens": 4096}, {})}, (404, b"", {}), "text-generation-inference"),
    ("OpenAI without a key", {}, (401, {"error": {"message": "Invalid URL (GET /version)"}}, {}), "OpenAI"),
    ("unknown, compatible", {"/v1/models": listing("someone")}, (404, b"no", {}), "OpenAI-compatible"),
    ("a page for everything", {}, PAGE, "a web page"),
    ("a page beside a list", {"/v1/models": listing()}, PAGE, "a web page"),
    ("a proxy's error page", {}, (502, b"<html><h1>Bad Gateway</h1></html>", {"Content-Type": "text/html"}), "a web page"),
]  # fmt: skip


def line(url: str) -> str:
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        version(EngineChoice("server", "unused", url, 300.0))
    assert time.monotonic() - started < LIMIT_SECONDS
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", ["/v1", ""])
@pytest.mark.parametrize(("answers", "default", "name"), [c[1:] for c in OTHERS], ids=[c[0] for c in OTHERS])
def test_another_server_is_named_and_what_works_is_said(answers, default, name, suffix):
    with http_server(answers, default) as root:
        message = line(root + suffix)
    assert re.search(name, message), message
    assert "vllm serve" in message and "/tokenize" in message


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/models", "/v1/chat/completions"])
def test_a_vllm_server_is_found_with_and_without_the_path_of_the_protocol(suffix):
    with http_server(VLLM_ANSWERS, NOT_FOUND) as root:
        server = identify_server(root + suffix)
        assert version(EngineChoice("server", "unused", root + suffix)) == "vllm-server 0.30.0"
    assert (server.name, server.url, server.root) == (VLLM, f"{root}/v1", root)
    assert server.models == ("served-model",)


def test_a_vllm_server_that_names_no_owner_is_recognised_by_its_tokenizer():
    with http_server(VLLM_ANSWERS | {"/v1/models": listing()}, NOT_FOUND) as root:
        assert identify_server(f"{root}/v1").name == VLLM


def test_a_vllm_server_under_a_path_is_found():
    answers = {f"/emotion{path}": answer for path, answer in VLLM_ANSWERS.items()}
    with http_server(answers, PAGE) as root:
        assert identify_server(f"{root}/emotion").url == f"{root}/emotion/v1"


def test_a_gateway_that_hides_vllm_s_own_paths_is_named():
    with http_server({"/v1/models": listing("vllm")}, (403, {"message": "forbidden"}, {})) as root:
        assert "behind a gateway" in line(f"{root}/v1")


def test_an_address_without_a_list_of_models_gets_a_hint_at_v1():
    with http_server({"/version": (200, {"version": "0.30.0"}, {})}, NOT_FOUND) as root:
        assert "usually ends in /v1" in line(f"{root}/api")


def test_a_refused_key_is_not_printed(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, " top-secret-key\n")
    with http_server({}, (401, {"error": "bad key: $KEY"}, {})) as root:
        message = line(f"{root}/v1")
    assert KEY_VARIABLE in message and "***" in message and "top-secret" not in message


def test_a_key_that_no_header_can_hold_is_named(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "schlüssel")
    assert "printable ASCII" in line("http://127.0.0.1:1/v1")


NO_ADDRESSES = [
    "localhost:8000/v1", "ftp://host/v1", "http://", "http:///v1", "v1", "http:host", "//host/v1",
    "http://host:99999/v1", "http://host:0/v1", "http://host:-1/v1", "http://host:８０/v1",
    "http://[::1", "http://[::g]/v1", "http://[1.2.3.4]/v1", "http://[v1.x]/v1", "http://256.1.1.1/v1", "http://1.2.3..4/v1",
    "http://a..b/v1", "http://.b/v1", f"http://{'a' * 64}.b/v1", "http://xn--/v1", "http://xn--ü/v1",
    "http://ho st/v1", "http://<host>:8000/v1", "http://{host}/v1", "http://a,b/v1", "http://*/v1", "http://'host'/v1",
    "http://%2e/v1", "http://\u200bhost/v1", "http://☃.b/v1", "http://😀/v1", "http://\udcff/v1", "http://host/\udcff",
    "http://host/\tv1", "http://host/\x00", "http://host\\v1",
]  # fmt: skip
ENGINE_VERSIONS = {"server": version, "hosted": hosted.version}


@pytest.mark.parametrize("engine", list(ENGINE_VERSIONS))
@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_said_without_a_request(url, engine):
    with pytest.raises(UserError, match="expected one such as http://localhost:8000/v1") as caught:
        ENGINE_VERSIONS[engine](EngineChoice(engine, "hosted:some-model", url, 5.0))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:9",
        "http://münchen.invalid/v1",
        "http://例え.invalid",
        "http://a_b.invalid/v1",
        "HTTP://LOCALHOST:9",
    ],
)
def test_an_unusual_address_is_taken(url):
    assert "nothing listens there" in line(url)


def test_secrets_in_an_address_are_not_printed():
    message = line(f"http://me:secret@127.0.0.1:{free_port()}/v1")
    assert "nothing listens there" in message and "secret" not in message


def test_a_host_that_does_not_exist_is_named():
    assert "nothing listens there" in line("http://no-such-host.invalid/v1")


def silence(connection, stop):
    connection.recv(4096)
    stop.wait(20)


def drip_in_the_header(connection, stop):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not stop.wait(0.2):
        connection.sendall(b"a")


def drip_in_the_body(connection, stop):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.2):
        connection.sendall(b" ")


def without_end(connection, stop):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b" " * 65536)


def banner(connection, stop):
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    connection.recv(4096)


def hangs_up(connection, stop):
    connection.recv(4096)


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (silence, "stays silent"),
        (drip_in_the_header, "stays silent"),
        (drip_in_the_body, "stays silent"),
        (without_end, "no HTTP server|more than"),
        (banner, "no HTTP server"),
        (hangs_up, "no HTTP server"),
    ],
)
def test_what_is_no_http_server_is_said_in_time(talk, says):
    with socket_server(talk) as root:
        assert re.search(says, line(f"{root}/v1"))


def test_https_to_a_server_without_a_certificate_is_said():
    with http_server({}, NOT_FOUND) as root:
        assert "no secure connection" in line(root.replace("http", "https") + "/v1")
