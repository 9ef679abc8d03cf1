"""HTTP requests whose whole answer is bounded in time and size, and addresses that are safe to print.

A time-out of an HTTP library bounds the wait for the next bytes, not the whole answer: a server that sends one byte per
second would hold a run for ever. Here both the total time and the number of bytes are limits.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from ambivox.models.engines._reply_content import json_values, secrets_sent, without_secrets
from ambivox.models.errors import UserError
from ambivox.models.http_total_time import NOT_COMPRESSED, compression, total_time

CONNECT_SECONDS = 5.0
# Answers hold a few hundred log-probabilities; the list of models of a large provider is below 1 MB. Up to 32 answers are
# read at the same time.
MAX_RESPONSE_BYTES = 4 * 2**20
_SHOWN_CHARACTERS = 200


class InvalidResponseError(ValueError):
    """A response whose content is not what was expected."""


def dicts_in(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of a response.

    Args:
        value: What the response has in place of the list.

    Example:
        >>> dicts_in([{"a": 1}, 2]), dicts_in(None), dicts_in(3)
        ([{'a': 1}], [], [])
    """
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


class SlowResponseError(TimeoutError):
    """A response that was not complete within its total time."""


@dataclass(frozen=True)
class Response:
    """A complete response.

    Attributes:
        status: the HTTP status.
        headers: the header fields, with lower-case names.
        content: the body as it was sent.
        secrets: what was sent to the server and must not be kept or shown.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        """The body as text, without the secrets; bytes that are not UTF-8 are replaced."""
        return without_secrets(self.content.decode("utf-8", "replace"), self.secrets)

    def json(self) -> Any:
        """The body as JSON, ``cleaned``.

        Raises:
            InvalidResponseError: it is not JSON, or is nested too deeply.
        """
        try:
            return json_values(self.content, self.secrets)
        except (ValueError, RecursionError) as error:
            raise InvalidResponseError(f"not JSON: {self.text[:80]!r}") from error


def request(
    client: httpx.Client,
    url: str,
    body: dict[str, Any] | None = None,
    *,
    seconds: float,
    max_bytes: int = MAX_RESPONSE_BYTES,
    form: dict[str, str] | None = None,
    files: dict[str, Any] | None = None,
) -> Response:
    """Send a request and read the whole response.

    Args:
        client: the connections (``with_total_time``); redirects are not followed.
        url: the address.
        body: the JSON body of a POST request; without it and ``files``, a GET request is sent.
        seconds: the total time, from the connection to the last byte.
        max_bytes: the maximum size of the body.
        form: the fields of a form, sent with ``files``.
        files: the files of a POST request, as httpx takes them.

    Returns:
        The response, whatever its status.

    Raises:
        SlowResponseError: the response is not complete in time.
        InvalidResponseError: the body is larger than ``max_bytes`` or compressed, or the address is none.
        httpx.HTTPError: the connection failed.
    """
    deadline = time.monotonic() + seconds
    timeout = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
    content = bytearray()
    try:
        method = "GET" if body is None and files is None else "POST"
        with (
            total_time(seconds),
            client.stream(
                method, url, json=body, data=form, files=files, timeout=timeout, headers=NOT_COMPRESSED
            ) as response,
        ):
            check_not_compressed(response.headers)
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > max_bytes:
                    raise InvalidResponseError(f"more than {max_bytes / 2**20:.0f} MiB")
                if time.monotonic() > deadline:
                    raise SlowResponseError(f"not complete after {seconds:.0f} s")
    except httpx.TimeoutException as error:
        raise SlowResponseError(f"no response within {seconds:.0f} s") from error
    except httpx.InvalidURL as error:  # of a path that the server names
        raise InvalidResponseError(f"a path that cannot be asked ({error})") from error
    headers = {name.lower(): value for name, value in response.headers.items()}
    secrets = secrets_sent(client.headers.get("authorization", "").partition(" ")[2], url)
    headers = {name: without_secrets(value, secrets) for name, value in headers.items()}
    return Response(response.status_code, headers, bytes(content), secrets)


def check_not_compressed(headers: Mapping[str, str]) -> None:
    """Refuse a compressed body, which could open to any size; none was asked for.

    Args:
        headers: of a response.

    Raises:
        InvalidResponseError: the body is compressed.
    """
    if encoding := compression(headers):
        raise InvalidResponseError(
            f"a compressed answer ({first_words(encoding)[:40]}), which was not asked for"
        )


def check_address(url: str) -> str:
    """Check that an address is that of an HTTP server.

    Args:
        url: what the user gave, such as ``http://localhost:8000/v1``.

    Returns:
        The address without spaces and slashes at its ends.

    Raises:
        UserError: it is no http or https address with a host.
    """
    address = url.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_address = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname and httpx.URL(address).host)
            and (parts.port is None or parts.port > 0)
            and address.isprintable()
            and " " not in address
            and _is_host(httpx.URL(address).raw_host.decode("ascii"))
        )
    # httpx raises InvalidURL for most malformed addresses, UnicodeError (a ValueError) for some names of hosts.
    except (ValueError, httpx.InvalidURL):
        is_address = False
    if not is_address:
        raise UserError(
            f"--server {first_words(shown_address(url))!r}: not an address of a server; expected one such as "
            "http://localhost:8000/v1"
        )
    return address


def _is_host(name: str) -> bool:
    """Whether a name, as it is sent, can be that of a host: an IP address, or labels of 1 to 63 usual characters."""
    if ":" in name:
        return True  # an IPv6 address, which httpx has parsed
    return all(re.fullmatch(r"[\w-]{1,63}", label, re.ASCII) for label in name.removesuffix(".").split("."))


def shown_address(url: str) -> str:
    """An address without what may be secret in it: user name, password and query.

    Example:
        >>> shown_address("https://me:secret@host:8000/v1?key=abc")
        'https://host:8000/v1'
    """
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return "an address that cannot be read"


def api_key(variable: str) -> str:
    """The API key in an environment variable, without white space at its ends, which files and shells add.

    Args:
        variable: the name of the variable.

    Returns:
        The key; "" where there is none.

    Raises:
        UserError: it cannot be sent in a header field.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{variable}: expected printable ASCII characters only; copy the key again")
    return key


def first_words(text: str, secret: str = "") -> str:
    """The beginning of a text from a server as one printable line, without the key that was sent to it.

    Args:
        text: any text.
        secret: the API key; where it occurs in the text, three asterisks are shown.

    Returns:
        At most 200 characters.
    """
    # Before the text is cut: the beginning of a key is secret, too.
    shown = without_secrets(text, [secret])[: 20 * _SHOWN_CHARACTERS]
    return " ".join("".join(c if c.isprintable() else " " for c in shown).split())[:_SHOWN_CHARACTERS]
