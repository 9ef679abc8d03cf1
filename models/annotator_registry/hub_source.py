"""ALMs on a model hub (the Hugging Face Hub, or a server that speaks its API), through huggingface_hub's HfApi.

HF_ENDPOINT names another hub. HF_TOKEN is sent to that hub only, never to a host that it redirects to or that
its lists continue on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ambivox.models.annotator_registry.candidate import DOWNLOADED_FILES, Candidate, SourceError, place_below
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.files import atomic_folder
from ambivox.models.http_environment import check_http_environment
from ambivox.models.http_total_time import total_time
from ambivox.models.hub import MALFORMED, guard_client, hub_endpoint, hub_token, is_commit

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

PREFIX = "hub:"
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_MAX_MODELS = 2000  # the most recently changed; authors and collections are far smaller
_PARTS = {"author", "collection", "filter"}
_client_lock = Lock()


class _TransientError(RuntimeError):
    """A time-out, a broken connection, a 5xx or a 429: worth another attempt."""


def list_hub(source: str, timeout_seconds: float) -> list[Candidate]:
    """The models of an author, a task filter or a collection, the most recently changed first.

    A gated or private model that HF_TOKEN does not open has no commit in the list; it is skipped.

    Args:
        source: ``hub:author=NAME``, ``hub:filter=TAG``, both joined by a comma, or ``hub:collection=SLUG``.
        timeout_seconds: How long one request may take.

    Raises:
        UserError: ``source`` is malformed, or the environment names proxies that cannot be used.
        SourceError: The hub refused, or gave no usable answer in three attempts.
        MissingExtraError: huggingface_hub is not installed.
    """
    query = dict(part.partition("=")[::2] for part in source.removeprefix(PREFIX).split(","))
    unknown = sorted(set(query) - _PARTS)
    if unknown or not all(query.values()):
        raise UserError(
            f"{source!r}: expected author=, collection= or filter= after hub:, found {unknown or 'nothing after ='}"
        )
    models = _with_attempts(source, timeout_seconds, lambda api: list(_models(api, query)))
    for model in models:
        if model.sha and not is_commit(model.sha):
            raise SourceError(
                f"{source}: {model.id[:80]!r} is said to be at {model.sha[:80]!r}, which is no commit"
            )
    return [Candidate(model.id, model.sha, source, model.id) for model in models if model.sha]


def download_from_hub(candidate: Candidate, folder: Path) -> Path:
    """Download an ALM's weights and text files into ``folder``, which appears only when complete.

    Raises:
        SourceError: The hub did not answer, refused, or names files that cannot be in a folder.
        MissingExtraError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "train") from error
    check_http_environment()
    if not is_commit(candidate.version):
        raise SourceError(
            f"{candidate.short_name} could not be downloaded: {candidate.version[:80]!r} is no commit"
        )
    try:
        with atomic_folder(folder) as temporary:
            snapshot_download(
                candidate.location,
                revision=candidate.version,
                local_dir=temporary,
                endpoint=hub_endpoint(),
                allow_patterns=list(DOWNLOADED_FILES),
                token=hub_token(),
            )
            for path in temporary.rglob("*"):
                place_below(temporary, path.relative_to(temporary).as_posix())
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, *MALFORMED) as error:
        reason = " ".join(str(error).split())
        raise SourceError(
            f"{candidate.short_name} could not be downloaded from {hub_endpoint()}: {reason}"
        ) from error
    return folder


def _models(api: HfApi, query: dict[str, str]) -> Iterator[ModelInfo]:
    if "collection" in query:
        for item in api.get_collection(query["collection"]).items:
            if item.item_type == "model":
                yield api.model_info(item.item_id, expand=["sha"])
        return
    listed = api.list_models(
        author=query.get("author"), filter=query.get("filter"), sort="last_modified", expand=["sha"]
    )
    yield from islice(listed, _MAX_MODELS)


def _with_attempts(
    source: str, timeout_seconds: float, ask: Callable[[HfApi], list[ModelInfo]]
) -> list[ModelInfo]:
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "train") from error
    check_http_environment()
    api = HfApi(endpoint=hub_endpoint(), token=hub_token())
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS * 4**attempt)
        try:
            with _one_attempt_per_request(timeout_seconds):
                return ask(api)
        except _TransientError as error:
            reason = str(error)
        except HfHubHTTPError as error:
            status = error.response.status_code
            raise SourceError(f"{source}: {error.response.url} answered {status}") from error
        except OSError as error:  # HF_HUB_OFFLINE among others
            raise SourceError(f"{source}: {' '.join(str(error).split())}") from error
        except MALFORMED as error:
            reason = f"{hub_endpoint()}/api/models answered something other than a list of models ({type(error).__name__})"
    raise SourceError(f"{source}: {reason}")


@contextmanager
def _one_attempt_per_request(timeout_seconds: float) -> Iterator[None]:
    """Have huggingface_hub send its requests through a client with a time-out, which fails at once.

    Its own list requests have no time-out and are retried for half a minute; a client of one's own is its only
    way to change that.
    """
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    class Client(httpx2.Client):
        def request(self, method: str, url: Any, **options: Any) -> httpx2.Response:
            options["timeout"] = timeout_seconds
            try:
                with total_time(timeout_seconds):
                    response = super().request(method, url, **options)
            except httpx2.RequestError as error:
                raise _TransientError(f"{url} did not answer ({type(error).__name__})") from error
            if response.status_code == 429 or response.status_code >= 500:
                raise _TransientError(f"{url} answered {response.status_code}")
            return response

    def make_client() -> httpx2.Client:
        hooks = {"request": [_http.hf_request_event_hook]}
        return guard_client(Client(event_hooks=hooks, follow_redirects=True))

    with _client_lock:
        before = _http._GLOBAL_CLIENT_FACTORY  # huggingface_hub has a setter, but no getter
        set_client_factory(make_client)
        try:
            yield
        finally:
            set_client_factory(before)
