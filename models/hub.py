"""Which model hub is used, and with which token: HF_ENDPOINT and HF_TOKEN, as everywhere in the Hugging Face libraries.

Lists of a hub name the address of their next page, its answers name the commit that becomes a folder's name in the
cache, and either may have no end: huggingface_hub takes all as it is. What is sent through it here is checked
(``hub_token``).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ambivox.models.errors import UserError
from ambivox.models.http_total_time import NOT_COMPRESSED, compression, total_time, with_total_time

if TYPE_CHECKING:
    import httpx2

_DEFAULT_ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_COMMIT_HEADER = "x-repo-commit"
# What is no file of a repository: lists and properties. A page of a list has a few hundred kilobytes.
_API = "/api/"
_MOST_API_BYTES = 16 << 20
_MOST_API_SECONDS = 30.0
#: What huggingface_hub raises where an answer has not the shape that it expects.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_CONFIG = "config.json"
_TIMEOUT_SECONDS = 10.0


def hub_endpoint() -> str:
    """The address of the hub."""
    return os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")


def hub_token() -> str | bool:
    """HF_TOKEN; False keeps huggingface_hub from sending a token that is stored on this machine.

    From the first call on, the requests of huggingface_hub in this process send a token to the hub only, and an answer that
    names something other than a commit, or has no end, is an OSError.
    """
    _guard_requests()
    return os.environ.get("HF_TOKEN") or False


def guard_client(client: httpx2.Client) -> httpx2.Client:
    """Have a client check its requests to the hub and the answers, and keep to ``total_time``.

    Args:
        client: A client, whose own hooks stay.

    Returns:
        The same client.
    """
    hooks = client.event_hooks
    client.event_hooks = {
        "request": [*hooks.get("request", ()), _check_request],
        "response": [*hooks.get("response", ()), _check_response],
    }
    return with_total_time(client)


def is_commit(name: str | None) -> bool:
    """Whether this is the name of a commit, which can be part of a path.

    Args:
        name: What a hub says.

    Example:
        >>> is_commit("0123456789abcdef0123456789abcdef01234567"), is_commit("../../x")
        (True, False)
    """
    return name is not None and _COMMIT.fullmatch(name) is not None


def model_commit(name: str, revision: str | None) -> str | None:
    """The commit that a revision of a model is at the hub now.

    Args:
        name: OWNER/NAME on the hub.
        revision: a branch, tag or commit; None for the newest.

    Raises:
        UserError: the hub does not answer within seconds, does not have it, or names no commit.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub_endpoint(), token=hub_token())
    try:
        with total_time(_TIMEOUT_SECONDS):
            commit = api.model_info(name, revision=revision, timeout=_TIMEOUT_SECONDS).sha
    except Exception as error:
        raise hub_error(name, error) from error
    if commit is not None and not is_commit(commit):
        raise UserError(f"{hub_endpoint()}: {name} is said to be at {str(commit)[:80]!r}, which is no commit")
    return commit


def check_available(name: str, revision: str) -> None:
    """Find out within seconds whether a model can be had; the libraries that load it retry each of its files for long.

    Args:
        name: OWNER/NAME on the hub.
        revision: the pinned revision.

    Raises:
        UserError: it is not in the cache of this machine, and the hub does not answer or does not have it.
    """
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, _CONFIG, revision=revision), str):
        return
    try:
        model_commit(name, revision)
    except UserError as error:
        raise UserError(
            f"{name}: is not in the cache of this machine, and the hub does not give it ({error}); download it where the "
            "hub can be reached, and give its folder in place of the name"
        ) from error


def hub_error(name: str, error: Exception) -> Exception:
    """One line for an error of the hub; any other error as it is.

    Args:
        name: what was asked for.
        error: what huggingface_hub raised.
    """
    from httpx2 import HTTPError, InvalidURL

    # ImportError and InvalidURL: proxies in the environment that cannot be used.
    if isinstance(error, (OSError, HTTPError, ImportError, InvalidURL, *MALFORMED)):
        reason = " ".join(str(error).split())
        return UserError(f"{hub_endpoint()}: {name} cannot be read ({type(error).__name__}: {reason[:200]})")
    return error


def _guard_requests() -> None:
    """Have every client that huggingface_hub makes check its requests and answers."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    make_client = _http._GLOBAL_CLIENT_FACTORY  # huggingface_hub has a setter, but no getter
    if not getattr(make_client, "is_guarded", False):
        set_client_factory(_guarded(make_client))


def _guarded(make_client: Callable[[], httpx2.Client]) -> Callable[[], httpx2.Client]:
    def make() -> httpx2.Client:
        return guard_client(make_client())

    make.is_guarded = True  # type: ignore[attr-defined]
    return make


def _check_request(request: httpx2.Request) -> None:
    """Take the token out of a request that goes elsewhere, also of one that follows a redirection."""
    if _origin(str(request.url)) != _origin(hub_endpoint()):
        request.headers.pop("authorization", None)
    request.headers.update(NOT_COMPRESSED)


def _check_response(response: httpx2.Response) -> None:
    """Check the commit, refuse what is compressed, and have a list or properties end."""
    if (commit := response.headers.get(_COMMIT_HEADER)) is not None and not is_commit(commit):
        raise OSError(f"{response.url} answered with {commit[:80]!r} in place of a commit")
    if compression(response.headers):
        raise OSError(f"{response.url} answered with a compressed content that was not asked for")
    if _API in response.url.path:
        response.stream = _bounded(response)


def _bounded(response: httpx2.Response) -> httpx2.SyncByteStream:
    import httpx2

    class Bounded(httpx2.SyncByteStream):
        def __init__(self, content: httpx2.SyncByteStream) -> None:
            self._content = content

        def __iter__(self) -> Iterator[bytes]:
            size, deadline = 0, time.monotonic() + _MOST_API_SECONDS
            for chunk in self._content:
                size += len(chunk)
                if size > _MOST_API_BYTES or time.monotonic() > deadline:
                    raise OSError(
                        f"{response.url}: the answer has more than {_MOST_API_BYTES >> 20} MiB, or took more than "
                        f"{_MOST_API_SECONDS:.0f} s"
                    )
                yield chunk

        def close(self) -> None:
            self._content.close()

    content = response.stream
    assert isinstance(content, httpx2.SyncByteStream)
    return Bounded(content)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
