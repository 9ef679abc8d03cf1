"""A local server with the part of Argilla's API that uploading a dataset from a folder needs."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

DATES = {"inserted_at": "2026-01-01T00:00:00", "updated_at": "2026-01-01T00:00:00"}
USER = {"id": str(uuid4()), "username": "owner", "role": "owner", "first_name": "O"} | DATES
WORKSPACE = {"id": str(uuid4()), "name": "speech"} | DATES


class ArgillaServer:
    """Keeps what a client posts.

    Attributes:
        dataset: The dataset, with the id that it got; empty before.
        properties: What was posted below the dataset, by its kind: fields, questions, metadata-properties.
        records: The records that were sent.
    """

    def __init__(self) -> None:
        self.dataset: dict[str, Any] = {}
        self.properties: dict[str, list[dict[str, Any]]] = {
            "fields": [],
            "questions": [],
            "metadata-properties": [],
            "vectors-settings": [],
        }
        self.records: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, path: list[str]) -> Any:
        match path:
            case ["me"]:
                return USER
            case ["me", "workspaces"]:
                return {"items": [WORKSPACE]}
            case ["me", "datasets"]:
                return {"items": [self.dataset] if self.dataset else []}
            case ["me", "datasets", _, kind] | ["datasets", _, kind]:
                return {"items": self.properties[kind]}
            case ["datasets", _]:
                return self.dataset
            case ["workspaces", _]:
                return WORKSPACE
        raise KeyError(path)

    def send(self, path: list[str], body: Any) -> Any:
        match path:
            case ["datasets"]:
                self.dataset = body | DATES | {"id": str(uuid4()), "status": "draft"}
                return self.dataset
            case ["datasets", _]:
                self.dataset |= body
                return self.dataset
            case ["datasets", _, "publish"]:
                self.dataset["status"] = "ready"
                return self.dataset
            case ["datasets", _, "records", "bulk"]:
                self.records += [record | DATES | {"id": str(uuid4())} for record in body["items"]]
                return {"items": self.records, "updated_item_ids": []}
            case ["datasets", _, kind]:
                self.properties[kind].append(body | DATES | {"id": str(uuid4())})
                return self.properties[kind][-1]
        raise KeyError(path)

    def _handler(argilla) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def reply(self, send: bool) -> None:
                path = self.path.partition("?")[0].removeprefix("/api/v1/").split("/")
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                try:
                    answer, status = (argilla.send(path, body) if send else argilla.get(path)), 200
                except KeyError:
                    answer, status = {"detail": f"no {self.path}"}, 404
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.reply(send=False)

            def do_POST(self) -> None:
                self.reply(send=True)

            do_PUT = do_PATCH = do_POST

        return Handler
