"""Where new ALMs appear: a hub's models by author, collection or task filter, a local folder, an S3 prefix.

A source is one line of text, so that a schedule's form can hold it:

- ``hub:author=Qwen``, ``hub:filter=audio-text-to-text``, ``hub:collection=OWNER/NAME-0123abcd``; parts are
  joined by commas (``hub:author=Qwen,filter=audio-text-to-text``). HF_ENDPOINT and HF_TOKEN are respected.
- ``folder:/models`` - every folder in it that holds a config.json.
- ``s3://bucket/prefix`` - every prefix below it that holds a config.json. AWS_ENDPOINT_URL is respected.

An ALM is known by its name and its revision: the hub's commit, or a digest of what the folder holds. Only
weights as safetensors and plain text are ever fetched: never a pickle, never code.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.files import atomic_folder
from ambivox.models.object_store import ObjectStoreError, download_object, list_objects

FETCHED = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "README.md")
_HUB = "https://huggingface.co"
_TRIES = 3
_PAUSE_SECONDS = 0.5
_MOST_PAGES = 20
_BLOCK = 1 << 20


class SourceError(RuntimeError):
    """A source could not be asked just now (a network, a server); worth another try later."""


@dataclass(frozen=True)
class Candidate:
    """An ALM at one revision. ``location`` is a hub repository, a folder, or an S3 prefix."""

    alm: str
    revision: str
    source: str
    location: str

    @property
    def short(self) -> str:
        """Its name as people say it: ``Qwen2-Audio-7B-Instruct@3f1c2ab9``."""
        return f"{PurePosixPath(self.alm).name}@{self.revision[:8]}"


def candidates(source: str, timeout_seconds: float = 30.0) -> list[Candidate]:
    """Every ALM that ``source`` holds now, by name.

    Raises:
        UserError: ``source`` is none of the forms above, or its folder does not exist.
        SourceError: it did not answer, or not sensibly, after three tries.
    """
    if source.startswith("hub:"):
        found = list(_on_hub(source, timeout_seconds))
    elif source.startswith("s3://"):
        found = list(_on_s3(source))
    elif source.startswith("folder:"):
        found = list(_in_folder(source))
    else:
        raise UserError(
            f"unknown source {source!r}; expected hub:author=NAME, hub:collection=SLUG, hub:filter=TAG, folder:PATH or s3://BUCKET/PREFIX"
        )
    return sorted(set(found), key=lambda one: (one.alm, one.revision))


def fetch(candidate: Candidate, cache: Path) -> Path:
    """The candidate as a local folder; downloaded below ``cache`` where it is not one already.

    Raises:
        SourceError: it could not be fetched.
        MissingExtraError: it is on a hub and huggingface_hub is not installed.
    """
    if candidate.source.startswith("folder:"):
        return Path(candidate.location)
    folder = cache / f"{candidate.alm.replace('/', '--')}-{candidate.revision[:16]}"
    if (folder / "config.json").is_file():
        return folder
    if candidate.source.startswith("s3://"):
        return _fetch_s3(candidate, folder)
    return _fetch_hub(candidate, folder)


def folder_revision(folder: Path) -> str:
    """A digest of what a model folder holds: names and contents of its files, in order of their names."""
    whole = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                whole.update(block)
        whole.update(b"\0")
    return whole.hexdigest()


def _in_folder(source: str) -> Iterator[Candidate]:
    root = Path(source.removeprefix("folder:"))
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; a folder source names one that holds model folders")
    for config in sorted(root.glob("*/config.json")):
        folder = config.parent
        yield Candidate(folder.name, folder_revision(folder), source, str(folder.resolve()))


def _on_hub(source: str, timeout_seconds: float) -> Iterator[Candidate]:
    asked = dict(part.partition("=")[::2] for part in source.removeprefix("hub:").split(","))
    unknown = sorted(set(asked) - {"author", "collection", "filter"})
    if unknown or not all(asked.values()):
        raise UserError(
            f"{source!r}: expected author=, collection= or filter= after hub:, found {unknown or 'nothing after ='}"
        )
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    if "collection" in asked:
        items, _ = _get(f"{endpoint}/api/collections/{asked['collection']}", {}, timeout_seconds)
        if not isinstance(items, dict):
            raise SourceError(f"{source}: the hub's answer is no collection")
        for item in items.get("items", []):
            if item.get("type") == "model":
                model, _ = _get(f"{endpoint}/api/models/{item['id']}", {}, timeout_seconds)
                yield _hub_candidate(model, source)
        return
    wanted = {name: asked[name] for name in ("author", "filter") if name in asked}
    query: dict[str, str] = wanted | {
        "sort": "lastModified",
        "direction": "-1",
        "full": "true",
        "limit": "100",
    }
    url: str | None = f"{endpoint}/api/models"
    for _ in range(_MOST_PAGES):
        if url is None:
            return
        page, url = _get(url, query, timeout_seconds)
        query = {}
        if not isinstance(page, list):
            raise SourceError(f"{source}: the hub's answer is no list of models")
        for model in page:
            # A gated or private model without our token has no revision to fetch.
            if isinstance(model, dict) and model.get("sha"):
                yield _hub_candidate(model, source)


def _hub_candidate(model: Any, source: str) -> Candidate:
    name, revision = (model.get("id"), model.get("sha")) if isinstance(model, dict) else (None, None)
    if not (isinstance(name, str) and isinstance(revision, str)):
        raise SourceError(f"{source}: the hub names a model without id or revision")
    return Candidate(name, revision, source, name)


def _get(url: str, query: dict[str, str], timeout_seconds: float) -> tuple[Any, str | None]:
    """The JSON at ``url`` and the address of the next page; tried three times, a little longer apart each time."""
    import httpx

    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS * 4**attempt)
        try:
            reply = httpx.get(
                url, params=query or None, headers=headers, timeout=timeout_seconds, follow_redirects=True
            )
            if reply.status_code < 400:
                return reply.json(), reply.links.get("next", {}).get("url")
            problem = f"answered {reply.status_code}"
            if reply.status_code < 500 and reply.status_code != 429:
                break
        except httpx.HTTPError as error:
            problem = f"did not answer ({type(error).__name__})"
        except ValueError:
            problem = "answered something that is not JSON"
    raise SourceError(f"{url} {problem}")


def _fetch_hub(candidate: Candidate, folder: Path) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "train") from error
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    try:
        with atomic_folder(folder) as temporary:
            snapshot_download(
                candidate.location,
                revision=candidate.revision,
                local_dir=temporary,
                endpoint=endpoint,
                allow_patterns=list(FETCHED),
                token=os.environ.get("HF_TOKEN", False),
            )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceError(f"{candidate.short} could not be fetched from {endpoint}: {error}") from error
    return folder


def _on_s3(source: str) -> Iterator[Candidate]:
    prefix = f"{source.rstrip('/')}/"
    try:
        objects = list_objects(prefix)
    except (ObjectStoreError, OSError) as error:
        raise SourceError(f"{source}: {error}") from error
    for entry in objects:
        folder, _, name = entry.url.rpartition("/")
        if name != "config.json" or "/" in folder.removeprefix(prefix):
            continue
        held = sorted((inner.url, inner.etag) for inner in objects if inner.url.startswith(f"{folder}/"))
        digest = hashlib.sha256("\0".join(f"{inner}\0{tag}" for inner, tag in held).encode()).hexdigest()
        yield Candidate(folder.removeprefix(prefix), digest, source, folder)


def _fetch_s3(candidate: Candidate, folder: Path) -> Path:
    prefix = f"{candidate.location}/"
    try:
        with atomic_folder(folder) as temporary:
            for entry in list_objects(prefix):
                name = PurePosixPath(entry.url.removeprefix(prefix))
                if ".." in name.parts or name.is_absolute() or not any(name.match(p) for p in FETCHED):
                    continue
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                download_object(entry.url, temporary / name)
    except (ObjectStoreError, OSError) as error:
        raise SourceError(f"{candidate.short} could not be fetched: {error}") from error
    return folder
