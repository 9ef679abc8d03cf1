"""Which server answers at an address: vLLM, or another one that speaks the OpenAI protocol, or something else.

Servers are recognised by what they say about themselves: the owner of their models, header fields, and a few paths that
only one of them has. Every server is asked at most nine short questions, and the answer is there within 10 seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from ambivox.models.engines._bounded_http import (
    InvalidResponseError,
    Response,
    SlowResponseError,
    check_address,
    first_words,
    request,
    shown_address,
)
from ambivox.models.engines._server_marks import (
    COMPATIBLE,
    UNKNOWN,
    VLLM,
    json_of_success,
    model_entries,
    name_by_marks,
    name_by_owner,
    refusal,
    reported_version,
)
from ambivox.models.errors import UserError
from ambivox.models.http_total_time import client_with_key

# At most three rounds of questions, each answered or given up within this time.
_ROUND_SECONDS = 3.0
# The paths of the OpenAI protocol that a user may have copied together with the address.
_PROTOCOL_PATHS = ("/chat/completions", "/completions", "/models", "/responses")
# Paths that are asked where the first two do not decide.
_FURTHER_PATHS = (
    "/",
    "/props",
    "/server_info",
    "/api/version",
    "/api/v0/models",
    "/health/readiness",
    "/info",
)


@dataclass(frozen=True)
class ServerKind:
    """A server that was recognised.

    Attributes:
        name: what it is, such as "vLLM" or "llama.cpp"; "an OpenAI-compatible server" where nothing tells more.
        version: the version that it reports, or "".
        url: the address of the OpenAI protocol, without a slash at its end; "" where it does not offer that.
        root: the address of the paths outside that protocol.
        models: the names of the models it serves; empty where it does not tell.
        status: the HTTP status of its list of models.
        reason: what it answered instead of a list of models, in one line; "" where it gave one.
    """

    name: str
    version: str
    url: str
    root: str
    models: tuple[str, ...]
    status: int
    reason: str = ""

    @property
    def needs_key(self) -> bool:
        """Whether it refuses the API key, or the absence of one."""
        return self.status in {401, 403}


def identify_server(url: str, key: str = "") -> ServerKind:
    """Ask a server what it is.

    Args:
        url: its address, with or without the path of the OpenAI protocol (``/v1``).
        key: the API key, sent as a bearer token where not empty.

    Returns:
        What was recognised. Whether it can be used is for the caller to decide.

    Raises:
        UserError: the address is not one, nothing listens there, the server stays silent, or does not speak HTTP.
    """
    address = check_address(url)
    for path in _PROTOCOL_PATHS:
        address = address.removesuffix(path)
    root = address.removesuffix("/v1").rstrip("/")
    listings = dict.fromkeys((f"{address}/models", f"{root}/v1/models"))
    client = client_with_key(key, trust_env=False)
    try:
        replies, failures = _ask(client, dict.fromkeys([f"{root}/version", *listings]))
        if not replies:
            raise _no_answer(address, next(iter(failures.values())), key)
        listing = next((place for place in listings if model_entries(replies.get(place))), None)
        name = name_by_owner(replies[listing]) if listing else ""
        if not name and listing and _tokenizes(client, root, replies[listing]):
            name = VLLM
        if name in {"", "OpenAI"}:
            replies |= _ask(client, dict.fromkeys(root + path for path in _FURTHER_PATHS))[0]
    finally:
        client.close()
    by_path = {place.removeprefix(root): reply for place, reply in replies.items()}
    name = (
        name if name not in {"", "OpenAI"} else name_by_marks(by_path, urlsplit(root).hostname or "") or name
    )
    answered = replies.get(listing or f"{root}/v1/models") or replies.get(f"{address}/models") or Response(0)
    return ServerKind(
        name=name or (COMPATIBLE if listing else UNKNOWN),
        version=reported_version(by_path),
        url=listing.removesuffix("/models") if listing else "",
        root=root,
        models=tuple(str(entry["id"]) for entry in model_entries(answered)),
        status=answered.status,
        reason="" if listing else refusal(answered, key),
    )


def _ask(
    client: httpx.Client, questions: Mapping[str, dict[str, Any] | None]
) -> tuple[dict[str, Response], dict[str, Exception]]:
    """Ask for several addresses at the same time; the answers, and the failures of those that gave none.

    Args:
        client: the connections. Closing them ends the requests that are given up here.
        questions: for each address the JSON body of a POST request, or None for a GET request.
    """
    replies: dict[str, Response] = {}
    failures: dict[str, Exception] = {}
    pool = ThreadPoolExecutor(len(questions))
    pending = {
        place: pool.submit(request, client, place, body, seconds=_ROUND_SECONDS, max_bytes=2**20)
        for place, body in questions.items()
    }
    # A server that sends its header one byte at a time never reaches the time-out of the request itself.
    wait(pending.values(), timeout=_ROUND_SECONDS)
    for place, future in pending.items():
        try:
            replies[place] = future.result(timeout=0)
        except TimeoutError:
            failures[place] = SlowResponseError(f"no complete response within {_ROUND_SECONDS:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, InvalidResponseError) as error:
            failures[place] = error
    pool.shutdown(wait=False, cancel_futures=True)
    return replies, failures


def _no_answer(address: str, error: Exception, key: str) -> UserError:
    """Make the error for an address where no question was answered."""
    shown = shown_address(address)
    if isinstance(error, httpx.ConnectError):
        reason = first_words(str(error), key)
        if "SSL" in reason or "certificate" in reason.lower():
            return UserError(
                f"{shown}: no secure connection ({reason}); use http:// where the server has no certificate"
            )
        return UserError(
            f"{shown}: nothing listens there ({reason}); start the server, for example with `vllm serve MODEL`, or "
            "correct --server"
        )
    if isinstance(error, SlowResponseError):
        return UserError(
            f"{shown}: the server stays silent ({error}); it may be another kind of server, or still be starting: "
            "check the address and port, and try again once it answers"
        )
    return UserError(
        f"{shown}: this is no HTTP server ({type(error).__name__}: {first_words(str(error), key)}); check the port, and "
        "http against https"
    )


def _tokenizes(client: httpx.Client, root: str, listing: Response) -> bool:
    """Whether the server has /version and vLLM's /tokenize, as old versions do that name no owner."""
    body = {"model": model_entries(listing)[0]["id"], "prompt": "a", "add_special_tokens": False}
    replies, _ = _ask(client, {f"{root}/version": None, f"{root}/tokenize": body})
    version, tokens = (json_of_success(replies.get(root + path)) for path in ("/version", "/tokenize"))
    return (
        isinstance(version, dict)
        and "version" in version
        and isinstance(tokens, dict)
        and bool(tokens.get("tokens"))
    )
