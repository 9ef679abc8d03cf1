"""A local HTTP server that speaks the model hub's API: lists by page, collections, trees, files; and can misbehave."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class HubServer:
    """Models are folders added with ``put``; a new content is a new revision. ``trouble`` makes it fail.

    ``trouble`` is "" (none), "500", "hang", "hang files", "nonsense", or "once" (one 503, then well again).
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.collections: dict[str, list[str]] = {}
        self.trouble = ""
        self.requests: list[str] = []
        self.page_size = 2
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, name: str, folder: Path, tags: tuple[str, ...] = ("audio-text-to-text",)) -> str:
        """Publish ``folder`` as the newest revision of ``name``; returns the revision."""
        files = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        whole = hashlib.sha1(usedforsecurity=False)
        for inner, path in files.items():
            whole.update(inner.encode() + path.read_bytes())
        self.models[name] = {"sha": whole.hexdigest(), "files": files, "tags": tags}
        return whole.hexdigest()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _info(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        siblings = [{"rfilename": inner} for inner in model["files"]]
        return {
            "_id": "0",
            "id": name,
            "modelId": name,
            "author": name.split("/")[0],
            "sha": model["sha"],
            "tags": list(model["tags"]),
            "private": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
            "lastModified": "2026-01-01T00:00:00.000Z",
        }

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805
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

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                hub.requests.append(self.path)
                if hub.trouble == "500":
                    return self.reply(500, b"{}")
                if hub.trouble == "hang" or (hub.trouble == "hang files" and "/resolve/" in self.path):
                    Event().wait(60)
                if hub.trouble == "nonsense":
                    return self.reply(200, b"<html>not json")
                if hub.trouble == "once":
                    hub.trouble = ""
                    return self.reply(503, b"{}")
                parts = urlsplit(self.path)
                try:
                    return self.route(unquote(parts.path).strip("/").split("/"), parse_qs(parts.query))
                except (KeyError, IndexError):
                    return self.reply(404, b'{"error":"not found"}', {"X-Error-Code": "RepoNotFound"})

            def route(self, path: list[str], query: dict[str, list[str]]) -> None:
                if path == ["api", "models"]:
                    return self.listing(query)
                if path[:2] == ["api", "collections"]:
                    slug = "/".join(path[2:])
                    items = [
                        {"_id": "1", "id": name, "type": "model", "position": 0}
                        for name in hub.collections[slug]
                    ]
                    return self.reply(200, json.dumps({"slug": slug, "title": "x", "items": items}).encode())
                if path[:2] == ["api", "models"]:
                    name = "/".join(path[2:4])
                    if path[4:5] == ["tree"]:
                        files = hub.models[name]["files"]
                        tree = [
                            {"type": "file", "path": i, "size": p.stat().st_size, "oid": "0"}
                            for i, p in files.items()
                        ]
                        return self.reply(200, json.dumps(tree).encode())
                    return self.reply(200, json.dumps(hub._info(name)).encode())
                name, inner = "/".join(path[:2]), "/".join(path[4:])
                body = hub.models[name]["files"][inner].read_bytes()
                tag = hashlib.sha256(body).hexdigest()
                return self.reply(200, body, {"ETag": f'"{tag}"', "X-Repo-Commit": hub.models[name]["sha"]})

            def listing(self, query: dict[str, list[str]]) -> None:
                names = sorted(hub.models)
                if "author" in query:
                    names = [name for name in names if name.split("/")[0] == query["author"][0]]
                if "filter" in query:
                    names = [name for name in names if query["filter"][0] in hub.models[name]["tags"]]
                start = int(query.get("cursor", ["0"])[0])
                page = names[start : start + hub.page_size]
                kept = "&".join(f"{key}={value[0]}" for key, value in query.items() if key != "cursor")
                after = f"{hub.url}/api/models?{kept}&cursor={start + hub.page_size}"
                more = {"Link": f'<{after}>; rel="next"'} if start + hub.page_size < len(names) else {}
                return self.reply(200, json.dumps([hub._info(name) for name in page]).encode(), more)

        return Handler
