"""Repositories that the local hub server keeps: created, committed to and tagged over HTTP, as on the model hub.

Large files go through git-lfs's batch API (as with HF_HUB_DISABLE_XET=1). A commit whose parent is not the newest one,
a tag that exists, a missing token and a token without the right to write are refused as the hub refuses them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import yaml

WRITE_TOKEN = "hf_may_write_to_team"
READ_TOKEN = "hf_may_read_only"
_LARGE_BYTES = 10 << 20
_LARGE_SUFFIXES = (".parquet", ".safetensors")
_URL_PREFIXES = {"dataset": "datasets/", "model": ""}


class RefusedError(Exception):
    """An answer other than 200.

    Attributes:
        status: The HTTP status.
        code: The hub's X-Error-Code; empty for none.
        url: The repository that is there already, for a conflict.
    """

    def __init__(self, status: int, message: str, code: str = "", url: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.url = status, code, url


@dataclass
class Repository:
    """One repository: commits, oldest first, and tags.

    Attributes:
        commits: Commit -> its files, by path.
        messages: The commits' messages.
        tags: Tag -> commit.
        private: Whether only its owner sees it.
    """

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit({".gitattributes": b"*.parquet filter=lfs\n"}, "initial commit")

    @property
    def head(self) -> str:
        return next(reversed(self.commits))

    def commit(self, files: dict[str, bytes], message: str) -> str:
        digest = hashlib.sha1(f"{len(self.commits)} {message}".encode(), usedforsecurity=False)
        for path in sorted(files):
            digest.update(path.encode() + files[path])
        self.commits[digest.hexdigest()] = files
        self.messages.append(message)
        return digest.hexdigest()

    def resolve(self, revision: str) -> str:
        revision = unquote(revision)
        commit = self.head if revision == "main" else self.tags.get(revision, revision)
        if commit not in self.commits:
            raise RefusedError(404, "no such revision", "RevisionNotFound")
        return commit


class Repositories:
    """All repositories of a server, and the large files that were uploaded to it.

    Attributes:
        repositories: By "dataset OWNER/NAME" or "model OWNER/NAME".
        large: Uploaded large files, by SHA-256.
        uploads: How many large files were sent.
        refusal: The status that every change of a repository is answered with; 0 for none.
        message: What comes with it.
        url: The server's address.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.uploads = 0
        self.refusal = 0
        self.message = "refused"
        self.url = ""

    def get(
        self, path: list[str], query: dict[str, list[str]], token: str
    ) -> tuple[Any, dict[str, str]] | None:
        """The answer to a GET; None where the path is no repository's."""
        match path:
            case ["datasets", owner, name, *rest]:
                kind, is_api = "dataset", False
            case ["api", "datasets", owner, name, *rest]:
                kind, is_api = "dataset", True
            case ["api", "models", owner, name, *rest]:
                kind, is_api = "model", True
            case [owner, name, "resolve", *_]:
                kind, is_api, rest = "model", False, path[2:]
            case _:
                return None
        if kind == "model" and f"model {owner}/{name}" not in self.repositories:
            return None
        repository = self._repository(kind, f"{owner}/{name}", token)
        if not is_api:
            return _file(repository, rest[1], "/".join(rest[2:]))
        if rest == ["refs"]:
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
                for tag, commit in repository.tags.items()
            ]
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}
            return {"branches": [main], "converts": [], "tags": tags}, {}
        if rest[:1] == ["tree"]:
            files = repository.commits[repository.resolve(rest[1])]
            is_recursive = query.get("recursive", ["False"])[0].lower() == "true"
            return _tree(files, "/".join(rest[2:]), is_recursive), {}
        commit = repository.resolve(rest[1]) if rest[:1] == ["revision"] else repository.head
        return {
            "_id": "0",
            "id": f"{owner}/{name}",
            "author": owner,
            "sha": commit,
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": inner} for inner in repository.commits[commit]],
        }, {}

    def post(self, path: list[str], body: bytes, token: str) -> Any:
        """The answer to a POST, as JSON."""
        if self.refusal and path != ["api", "repos", "create"]:
            raise RefusedError(self.refusal, self.message)
        if path == ["api", "validate-yaml"]:
            return self._validated(json.loads(body))
        if path[-3:] == ["lfs", "objects", "batch"]:
            self._may_write(token)
            return self._batch(json.loads(body))
        if path == ["api", "repos", "create"]:
            self._may_write(token)
            return self._create(json.loads(body))
        kind, name, action = path[1].removesuffix("s"), "/".join(path[2:4]), path[4]
        repository = self._repository(kind, name, token)
        if action == "paths-info":
            files = repository.commits[repository.resolve(path[5])]
            wanted = json.loads(body)["paths"]
            return [_entry(inner, files[inner]) for inner in wanted if inner in files]
        self._may_write(token)
        if action == "preupload":
            files = repository.commits[repository.head]
            return {"files": [_mode(each, files.get(each["path"])) for each in json.loads(body)["files"]]}
        if action == "tag":
            tag = json.loads(body)["tag"]
            if tag in repository.tags:
                raise RefusedError(409, f"Tag {tag} exists")
            repository.tags[tag] = repository.resolve(path[5])
            return {}
        if action == "commit":
            return self._commit(kind, name, repository, body)
        raise RefusedError(404, "not found")

    def put(self, path: list[str], body: bytes) -> None:
        """Take a large file."""
        assert hashlib.sha256(body).hexdigest() == path[-1], "another content than announced"
        self.large[path[-1]] = body
        self.uploads += 1

    def _repository(self, kind: str, name: str, token: str) -> Repository:
        repository = self.repositories.get(f"{kind} {name}")
        if repository is None or (repository.private and not token):
            raise RefusedError(404 if token else 401, "Repository not found", "RepoNotFound")
        return repository

    def _may_write(self, token: str) -> None:
        if token not in (f"Bearer {WRITE_TOKEN}", f"Bearer {READ_TOKEN}"):
            raise RefusedError(401, "Invalid username or password.")
        if token != f"Bearer {WRITE_TOKEN}":
            raise RefusedError(403, "You don't have the rights to create or change this repository")

    def _validated(self, request: dict[str, Any]) -> dict[str, Any]:
        _, front, _ = request["content"].split("---\n", 2)
        assert yaml.safe_load(front)["license"], "the hub warns about a card without a licence"
        return {"errors": [], "warnings": []}

    def _batch(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["operation"] == "upload"
        return {
            "transfer": "basic",
            "objects": [
                each
                if each["oid"] in self.large
                else each | {"actions": {"upload": {"href": f"{self.url}/lfs/{each['oid']}"}}}
                for each in request["objects"]
            ],
        }

    def _create(self, request: dict[str, Any]) -> dict[str, str]:
        kind, name = request.get("type", "model"), f"{request['organization']}/{request['name']}"
        url = f"{self.url}/{_URL_PREFIXES[kind]}{name}"
        if request["organization"] != "team":
            raise RefusedError(403, f"You don't have the rights to create a {kind} under the namespace")
        if f"{kind} {name}" in self.repositories:
            raise RefusedError(409, f"You already created this {kind} repo", url=url)
        self.repositories[f"{kind} {name}"] = Repository(request.get("visibility") == "private")
        return {"url": url}

    def _commit(self, kind: str, name: str, repository: Repository, body: bytes) -> dict[str, str]:
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.head):
            raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.commits[repository.head])
        for line in lines[1:]:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = repository.commit(files, header["summary"])
        url = f"{self.url}/{_URL_PREFIXES[kind]}{name}/commit/{commit}"
        return {"commitOid": commit, "commitUrl": url}


def _file(repository: Repository, revision: str, path: str) -> tuple[bytes, dict[str, str]]:
    commit = repository.resolve(revision)
    content = repository.commits[commit].get(path)
    if content is None:
        raise RefusedError(404, "Entry not found", "EntryNotFound")
    return content, {"ETag": f'"{_oid(path, content)}"', "X-Repo-Commit": commit}


def _is_large(path: str, size: int) -> bool:
    return size > _LARGE_BYTES or path.endswith(_LARGE_SUFFIXES)


def _oid(path: str, content: bytes) -> str:
    """What the hub compares a file by: the SHA-256 of a large file, git's own hash of another."""
    if _is_large(path, len(content)):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _mode(file: dict[str, Any], present: bytes | None) -> dict[str, Any]:
    mode = "lfs" if _is_large(file["path"], file["size"]) else "regular"
    oid = None if present is None else _oid(file["path"], present)
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def _entry(path: str, content: bytes) -> dict[str, Any]:
    oid = _oid(path, content)
    large = (
        {"lfs": {"oid": oid, "size": len(content), "pointerSize": 130}}
        if _is_large(path, len(content))
        else {}
    )
    return {"type": "file", "path": path, "size": len(content), "oid": oid} | large


def _tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    below = {path: content for path, content in files.items() if path.startswith(prefix)}
    if folder and not below:
        raise RefusedError(404, "no such folder", "EntryNotFound")
    entries = [
        _entry(path, content)
        for path, content in below.items()
        if recursive or "/" not in path.removeprefix(prefix)
    ]
    names = {
        prefix + path.removeprefix(prefix).split("/")[0] for path in below if "/" in path.removeprefix(prefix)
    }
    return entries + [{"type": "directory", "path": name, "oid": "0", "size": 0} for name in sorted(names)]
