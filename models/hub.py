"""Which model hub is used, and with which token: HF_ENDPOINT and HF_TOKEN, as everywhere in the Hugging Face libraries.

Lists of a hub name the address of their next page, and its answers name the commit that becomes a folder's name in the
cache: huggingface_hub takes both as they are. What is sent through it here is checked (``hub_token``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ambivox.models.errors import UserError

if TYPE_CHECKING:
    import httpx2

_DEFAULT_ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_COMMIT_HEADER = "x-repo-commit"
_CONFIG = "config.json"
_TIMEOUT_SECONDS = 10.0


def hub_endpoint() -> str:
    """The address of the hub."""
    return os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")


def hub_token() -> str | bool:
    """HF_TOKEN; False keeps huggingface_hub from sending a token that is stored on this machine.

    From the first call on, the requests of huggingface_hub in this process send a token to the hub only, and an answer that
    names something other than a commit is an OSError.
    """
    _guard_requests()
    return os.environ.get("HF_TOKEN") or False


def keep_token_at_the_hub(request: httpx2.Request) -> None:
    """Take the token out of a request that goes elsewhere: a hook of an HTTP client.

    Args:
        request: Any request, also one that follows a redirection.
    """
    if _origin(str(request.url)) != _origin(hub_endpoint()):
        request.headers.pop("authorization", None)


def check_commit_header(response: httpx2.Response) -> None:
    """Check that what an answer calls its commit is one: a hook of an HTTP client.

    Args:
        response: Any answer.

    Raises:
        OSError: It is something else.
    """
    if (commit := response.headers.get(_COMMIT_HEADER)) is not None and not is_commit(commit):
        raise OSError(f"{response.url} answered with {commit[:80]!r} in place of a commit")


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
    if isinstance(error, (OSError, HTTPError, ValueError, ImportError, InvalidURL)):
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
        client = make_client()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks.get("request", ()), keep_token_at_the_hub],
            "response": [*hooks.get("response", ()), check_commit_header],
        }
        return client

    make.is_guarded = True  # type: ignore[attr-defined]
    return make


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
