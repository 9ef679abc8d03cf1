"""A local S3 server (moto over HTTP), and a proxy in front of it that simulates failures."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import pytest

Trouble = Literal["", "403", "503", "slow", "cut"]
BUCKET = "ambivox"
_SLOW_SECONDS = 1.5
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FlakyS3:
    """Forwards requests to an S3 server; ``trouble(request number, from 1)`` decides which of them fail.

    "403" denies access, "503" rejects the request, "slow" delays it by 1.5 s, "cut" executes it and breaks off the
    response.
    """

    def __init__(self, port: int) -> None:
        self.trouble: Callable[[int], Trouble] = lambda _: ""
        self.seen: list[Trouble] = []
        counting = threading.Lock()
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                with counting:
                    trouble = flaky.trouble(len(flaky.seen) + 1)
                    flaky.seen.append(trouble)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if trouble == "503":
                    self.reply(503, {"Content-Type": "application/xml"}, _BUSY)
                    return
                if trouble == "403":
                    self.reply(403, {"Content-Type": "application/xml"}, _DENIED)
                    return
                if trouble == "slow":
                    time.sleep(_SLOW_SECONDS)
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                try:
                    upstream.request(self.command, self.path, body, dict(self.headers))
                    response = upstream.getresponse()
                    content = response.read()
                finally:
                    upstream.close()
                headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
                self.reply(response.status, headers, content, cut=trouble == "cut")

            def reply(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(content) + cut))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                if cut:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server with an empty bucket ``ambivox``, and credentials in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    yield url
    server.stop()


@pytest.fixture
def flaky_s3(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyS3]:
    """A proxy in front of the S3 server; AWS_ENDPOINT_URL is the proxy's address."""
    flaky = FlakyS3(int(s3.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", flaky.url)
    yield flaky
    flaky.close()
