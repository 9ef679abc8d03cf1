"""A local HTTP server that speaks the model hub's API: paged lists, collections, file trees, files; it can also fail."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_repositories import RefusedError, Repositories


class HubServer:
    """Models are folders added with ``put``; new content is a new commit.

    Attributes:
        failure: "" (none), "500", "429", "403", "hang", "hang files", "nonsense", "wrong type", "text", "drip",
            "no end", "packed", or "once" (one 503, then none).
        requests: Paths with queries, in order.
        tokens: The Authorization header of each request, "" without one.
        next_page_url: Where lists continue; another server's address for a hub whose list leads elsewhere.
        trees_continue: Whether the list of a model's files continues there, too.
        called_commit: What the hub calls the commit of a file that it sends; by default its model's.
        repositories: Datasets and models that clients create and commit to.
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.collections: dict[str, list[str]] = {}
        self.failure = ""
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.page_size = 2
        self.trees_continue = False
        self.called_commit = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.next_page_url = self.url
        self.repositories = Repositories()
        self.repositories.url = self.url
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, name: str, folder: Path, tags: tuple[str, ...] = ("audio-text-to-text",)) -> str:
        """Publish ``folder`` as the newest commit of ``name``; returns the commit."""
        files = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        digest = hashlib.sha1(usedforsecurity=False)
        for inner, path in files.items():
            digest.update(inner.encode() + path.read_bytes())
        self.models[name] = {"sha": digest.hexdigest(), "files": files, "tags": tags}
        return digest.hexdigest()

    def put_gated(self, name: str) -> None:
        """List a model that only its owner's token opens: its commit is not shown."""
        self.models[name] = {"sha": None, "files": {}, "tags": ("audio-text-to-text",)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _info(self, name: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """A model's properties: those of ``expand`` where it is given, else all."""
        model = self.models[name]
        properties = {
            "author": name.split("/")[0],
            "sha": model["sha"],
            "tags": list(model["tags"]),
            "private": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": inner} for inner in model["files"]],
            "lastModified": "2026-01-01T00:00:00.000Z",
        }
        expanded = query.get("expand", list(properties))
        shown = {key: value for key, value in properties.items() if key in expanded and value is not None}
        return {"_id": "0", "id": name, "modelId": name} | shown

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in (
                    {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def reply_json(self, value: Any, headers: dict[str, str] | None = None) -> None:
                self.reply(200, json.dumps(value).encode(), headers)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                if self.path == "/api/agent-harnesses":  # huggingface_hub asks this once per process
                    return self.reply(404, b"{}")
                hub.requests.append(self.path)
                hub.tokens.append(self.headers.get("Authorization", ""))
                if hub.failure in ("500", "429", "403"):
                    return self.reply(int(hub.failure), b"{}")
                if hub.failure == "hang" or (hub.failure == "hang files" and "/resolve/" in self.path):
                    Event().wait(60)
                if hub.failure == "nonsense":
                    return self.reply(200, b"<html>not json")
                if hub.failure == "text":
                    return self.reply(200, f'"{self.headers.get("Authorization")}"'.encode())
                if hub.failure in ("drip", "no end"):
                    return self.drip(*((b" ", 0.05) if hub.failure == "drip" else (b" " * 2**20, 0.0)))
                if hub.failure == "packed":
                    return self.reply(200, gzip.compress(b"[]"), {"Content-Encoding": "gzip"})
                if hub.failure == "wrong type":
                    return self.reply_json({"models": "none"})
                if hub.failure == "once":
                    hub.failure = ""
                    return self.reply(503, b"{}")
                parts = urlsplit(self.path)
                try:
                    return self.route(unquote(parts.path).strip("/").split("/"), parse_qs(parts.query))
                except (KeyError, IndexError):
                    return self.reply(404, b'{"error":"not found"}', {"X-Error-Code": "RepoNotFound"})

            def drip(self, piece: bytes, pause_seconds: float) -> None:
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(1000):
                        self.wfile.write(piece)
                        time.sleep(pause_seconds)

            def do_POST(self) -> None:
                hub.requests.append(self.path)
                hub.tokens.append(self.headers.get("Authorization", ""))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path).strip("/").split("/")
                try:
                    self.reply_json(hub.repositories.post(path, body, self.headers.get("Authorization", "")))
                except RefusedError as refused:
                    self.refuse(refused)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hub.repositories.put(urlsplit(self.path).path.strip("/").split("/"), body)
                self.reply(200, b"")

            def refuse(self, refused: RefusedError) -> None:
                headers = {"X-Error-Code": refused.code} if refused.code else {}
                body = json.dumps({"error": str(refused), "url": refused.url}).encode()
                self.reply(refused.status, body, headers | {"X-Error-Message": str(refused).splitlines()[0]})

            def route(self, path: list[str], query: dict[str, list[str]]) -> None:
                try:
                    kept = hub.repositories.get(path, query, self.headers.get("Authorization", ""))
                except RefusedError as refused:
                    return self.refuse(refused)
                if kept is not None:
                    content, headers = kept
                    if isinstance(content, bytes):
                        return self.reply(200, content, headers)
                    return self.reply_json(content, headers)
                if path == ["api", "models"]:
                    return self.listing(query)
                if path[:2] == ["api", "collections"]:
                    return self.collection("/".join(path[2:]))
                if path[:2] == ["api", "models"]:
                    name = "/".join(path[2:4])
                    if path[4:5] == ["tree"]:
                        files = hub.models[name]["files"]
                        tree = [
                            {"type": "file", "path": inner, "size": file.stat().st_size, "oid": "0"}
                            for inner, file in files.items()
                        ]
                        more = f'<{hub.next_page_url}{self.path}>; rel="next"'
                        return self.reply_json(tree, {"Link": more} if hub.trees_continue else {})
                    return self.reply_json(hub._info(name, query))
                name, inner = "/".join(path[:2]), "/".join(path[4:])
                file = hub.models[name]["files"].get(inner)
                if file is None:
                    return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
                body = file.read_bytes()
                tag = hashlib.sha256(body).hexdigest()
                commit = hub.called_commit or hub.models[name]["sha"]
                return self.reply(200, body, {"ETag": f'"{tag}"', "X-Repo-Commit": commit})

            def collection(self, slug: str) -> None:
                items = [
                    {"_id": "1", "id": name, "type": "model", "position": 0} for name in hub.collections[slug]
                ]
                items.append({"_id": "2", "id": "team/a-data-set", "type": "dataset", "position": 9})
                self.reply_json(
                    {
                        "slug": slug,
                        "title": "x",
                        "owner": {"name": slug.split("/")[0]},
                        "items": items,
                        "lastUpdated": "2026-01-01T00:00:00.000Z",
                        "position": 0,
                        "private": False,
                        "theme": "blue",
                        "upvotes": 0,
                    }
                )

            def listing(self, query: dict[str, list[str]]) -> None:
                names = sorted(hub.models)
                if "author" in query:
                    names = [name for name in names if name.split("/")[0] == query["author"][0]]
                if "filter" in query:
                    names = [name for name in names if query["filter"][0] in hub.models[name]["tags"]]
                start = int(query.get("cursor", ["0"])[0])
                page = names[start : start + hub.page_size]
                kept = "&".join(f"{key}={value[0]}" for key, value in query.items() if key != "cursor")
                after = f"{hub.next_page_url}/api/models?{kept}&cursor={start + hub.page_size}"
                more = {"Link": f'<{after}>; rel="next"'} if start + hub.page_size < len(names) else {}
                return self.reply_json([hub._info(name, query) for name in page], more)

        return Handler
