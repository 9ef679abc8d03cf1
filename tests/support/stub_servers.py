"""HTTP and other servers with fixed answers, for the tests of what the server engine connects to."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A path's answer: status, body (bytes are sent as they are, else JSON), header fields.
Answer = tuple[int, Any, Mapping[str, str]]


@contextmanager
def http_server(answers: Mapping[str, Answer], default: Answer) -> Iterator[str]:
    """A server that gives each path its answer, whatever the method; yields its address without a path."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body, fields = answers.get(self.path, default)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            content = content.replace(b"$KEY", (self.headers.get("Authorization") or "").encode())
            self.send_response_only(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def socket_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that handles each connection with ``talk(connection, stop)``; yields its address without a path."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            talk(connection, stop)

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()
