"""A local server that behaves like a provider's OpenAI-compatible API, its faults included.

What it answers depends on the audio that it gets, on the options in the prompt and on the temperature, so that votes
mean something: every clip has its own distribution over labels.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import numpy as np
import soundfile

from tests.support.hosted_alm import AlmBehindServer
from tests.support.hosted_batches import BatchDesk
from tests.support.hosted_gemini import GeminiDesk


@dataclass
class Personality:
    """How a provider behaves.

    Attributes:
        model: the model that answers name; "" for the one asked for.
        refuses: parameters that are refused by name.
        unknown: how a refused parameter is worded, with {} for its name.
        top_logprobs: how many log-probabilities are returned at most.
        only_streams: whether a request without ``stream`` is refused.
        prefix: what has to precede the base64 audio.
        formats: audio formats that are taken.
        counts: whether ``usage`` is returned.
        key: the key that is expected, "" for none.
    """

    model: str = ""
    refuses: tuple[str, ...] = ()
    unknown: str = "Unsupported parameter: '{}' is not supported with this model."
    top_logprobs: int = 0
    only_streams: bool = False
    prefix: str = ""
    formats: tuple[str, ...] = ("wav", "mp3")
    counts: bool = True
    key: str = ""


PERSONALITIES = {
    "openai": Personality(
        refuses=("max_tokens",),
        unknown="Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead.",
        key="k-openai",
    ),
    "gemini": Personality(
        refuses=("seed", "logprobs", "top_logprobs"),
        unknown='Invalid JSON payload received. Unknown name "{}": Cannot find field.',
        key="k-gemini",
    ),
    "qwen": Personality(only_streams=True, prefix="data:;base64,", key="k-qwen"),
    "llama.cpp": Personality(top_logprobs=20, counts=False, formats=("wav", "mp3")),
    "lm studio": Personality(refuses=("response_format",), formats=("wav",), top_logprobs=5),
}


@dataclass
class HostedServer:
    """A running server.

    Attributes:
        personality: how it behaves.
        faults: what happens to the next requests, first to last: a status such as "429" or "500", "429 after 1",
            "hang", "cut", "empty", "filter", "refusal", "no choices", "not json"; "" for a normal answer.
        refuse_all: whether every answer is a refusal.
        models: what ``GET /models`` lists; a model whose name holds "noise" answers whatever it hears.
        list_status: the status of that list.
        alm: the ALM that answers; None for answers that depend on the audio without any meaning.
    """

    personality: Personality = field(default_factory=Personality)
    faults: list[str] = field(default_factory=list)
    refuse_all: bool = False
    models: list[dict[str, Any]] = field(default_factory=list)
    list_status: int = 200
    alm: AlmBehindServer | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    served: int = 0
    open_now: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        """Start listening."""
        self._lock = Lock()
        self.desk = BatchDesk(self.reply)
        self.gemini_desk = GeminiDesk(self.reply)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def gemini_url(self) -> str:
        """The address of its OpenAI-compatible API where it behaves like Google's."""
        return f"http://127.0.0.1:{self._server.server_port}/v1beta/openai"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, body: dict[str, Any], key: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON body of the answer to a chat completion."""
        who = self.personality
        with self._lock:
            self.bodies.append(body)
            fault = self.faults.pop(0) if self.faults else ""
        if who.key and key != who.key:
            return 401, {}, {"error": {"message": f"Incorrect API key provided: {key}"}}
        for name in who.refuses:
            if name in body:
                return 400, {}, {"error": {"message": who.unknown.format(name), "param": name}}
        if who.only_streams and not body.get("stream"):
            return 400, {}, {"error": {"message": "This model only supports stream mode"}}
        if fault == "hang":
            time.sleep(30)
        if fault.startswith("429"):
            after = fault.partition(" after ")[2]
            return 429, {"retry-after": after} if after else {}, {"error": {"message": "Rate limit reached"}}
        if fault == "quota":
            return (
                429,
                {},
                {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            )
        if fault.isdigit():
            return int(fault), {}, {"error": {"message": "The server had an error"}}
        message, top = self._answer(body)
        finish = "stop"
        if fault == "refusal" or self.refuse_all:
            message = {"content": None, "refusal": "I can't infer that this person is in anger."}
        if fault in ("empty", "filter"):
            message, finish = {"content": ""}, "content_filter" if fault == "filter" else "stop"
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", **message},
            "finish_reason": finish,
        }
        if body.get("logprobs") and who.top_logprobs:
            listed = top[: min(who.top_logprobs, body.get("top_logprobs", 0))]
            choice["logprobs"] = {
                "content": [
                    {
                        "token": listed[0][0],
                        "logprob": listed[0][1],
                        "top_logprobs": [{"token": token, "logprob": logprob} for token, logprob in listed],
                    }
                ]
            }
        self.served += 1
        answer: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": who.model or body["model"],
            "choices": [] if fault == "no choices" else [choice],
        }
        if who.counts:
            answer["usage"] = {
                "prompt_tokens": 130,
                "completion_tokens": 9,
                "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 4},
            }
        return 200, {}, "this is not JSON" if fault == "not json" else answer

    def _answer(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, float]]]:
        """The message, and the log-probabilities of the most likely tokens."""
        who = self.personality
        parts = body["messages"][0]["content"]
        text = next(part["text"] for part in parts if part["type"] == "text")
        heard = ""
        audio = None
        for part in parts:
            if part["type"] == "input_audio":
                data = part["input_audio"]["data"]
                assert data.startswith(who.prefix) and part["input_audio"]["format"] in who.formats
                samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data.removeprefix(who.prefix))))
                assert rate == 16_000 and len(samples)
                audio = samples.astype(np.float32)
                heard = heard_as(samples)
        options = re.findall(r"([A-Z]) (\w+)", text.split("Options: ")[1].split(".")[0])
        if self.alm is not None:
            logits = self.alm.logprobs(text, audio, heard)
        else:
            content = str(body) if "noise" in body["model"] else heard
            logits = meaningless_logits(content, [label for _, label in options])
        logits -= np.logaddexp.reduce(logits)
        ranked = sorted(
            zip((code for code, _ in options), logits.tolist(), strict=True), key=lambda pair: -pair[1]
        )
        if "JSON" in text:
            return {
                "content": json.dumps({code: round(100 * float(np.exp(p))) for code, p in ranked})
            }, ranked
        scaled = logits / max(float(body.get("temperature", 1.0)), 1e-3)
        p = np.exp(scaled - np.logaddexp.reduce(scaled))
        rng = np.random.default_rng(body.get("seed"))
        return {"content": options[int(rng.choice(len(options), p=p))][0]}, ranked


def heard_as(samples: np.ndarray) -> str:
    """What identifies a clip's samples, as 16-bit WAV or MP3 or not at all compressed."""
    return hashlib.sha256(np.round(samples, 2).tobytes()).hexdigest()


def meaningless_logits(heard: str, labels: list[str]) -> np.ndarray:
    """The logits of a clip's distribution over labels, before they are normalised."""
    return np.array([_normal(heard + label) for label in labels]) * 1.5


def _normal(name: str) -> float:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return float(np.random.default_rng(seed).standard_normal())


def _handler(server: HostedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self._is_gemini():
                return
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            is_refused = bool(server.personality.key) and key != server.personality.key
            status = 401 if is_refused else server.list_status
            path = self.path.partition("?")[0].removeprefix("/v1beta/openai").removeprefix("/v1")
            content: Any = {"object": "list", "data": server.models}
            if path != "/models":
                status, content = server.desk.get(path, key)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            with server._lock:
                server.open_now += 1
                server.most_open = max(server.most_open, server.open_now)
            try:
                if self._is_gemini():
                    return
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                path = self.path.removeprefix("/v1beta/openai").removeprefix("/v1")
                if path in ("/files", "/batches"):
                    status, content = server.desk.post(path, self.headers["Content-Type"], sent)
                    self._send(status, {}, json.dumps(content).encode())
                    return
                body = json.loads(sent)
                cut = bool(server.faults) and server.faults[0] == "cut"
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                status, headers, content = server.reply(body, key)
                raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                if status == 200 and body.get("stream") and not isinstance(content, str):
                    raw = _as_stream(content)
                self._send(status, headers, raw, is_cut=cut)
                if cut:
                    self.close_connection = True
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                with server._lock:
                    server.open_now -= 1

        def _is_gemini(self) -> bool:
            """Whether the request is one to Google's own API, which is answered then."""
            if not re.match("(/upload)?/v1beta/(?!openai/)", self.path):
                return False
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers.get("x-goog-api-key", "")
            headers: dict[str, str]
            if key != server.personality.key and "upload_id=" not in self.path:
                status, headers, content = (
                    401,
                    {},
                    b'{"error": {"code": 401, "message": "API key not valid"}}',
                )
            else:
                status, headers, content = server.gemini_desk.answer(self.path, dict(self.headers), raw)
            self._send(status, headers, content)
            return True

        def _send(self, status: int, headers: dict[str, str], raw: bytes, *, is_cut: bool = False) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if is_cut else raw)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


def _as_stream(content: dict[str, Any]) -> bytes:
    events: list[dict[str, Any]] = []
    for choice in content["choices"]:
        text = choice["message"]["content"] or ""
        events += [
            {"model": content["model"], "choices": [{"index": 0, "delta": {"content": c}}]} for c in text
        ]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    events.append({"choices": [], "usage": content.get("usage")})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"
