"""What servers reply, as it may be kept and shown: without what was sent in secret, and as text that can be encoded.

A server may repeat the key that it was sent, in an error, an answer or the name of a model, and JSON can hold halves of
surrogate pairs, which no file, table or address can.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

REDACTED = "***"
REPLACED = "\ufffd"
# A shorter key, such as "none" for a server that checks none, may be a word of an answer.
_SHORTEST_SECRET = 8
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def secrets_sent(key: str, url: str) -> tuple[str, ...]:
    """What a reply must not repeat: the API key, and what may be secret in the address; nothing below 8 characters.

    Args:
        key: the API key, or "".
        url: the address that is asked.

    Examples:
        >>> secrets_sent("sk-12345678", "http://me:password1@host/v1?token=abcdefgh/models")
        ('bWU6cGFzc3dvcmQx', 'abcdefgh/models', 'sk-12345678', 'password1', 'abcdefgh')
        >>> secrets_sent("none", "http://host/v1")
        ()
    """
    parts = urlsplit(url)
    found = [key]
    if parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password)
        found += [password, base64.b64encode(f"{user}:{password}".encode()).decode()]
    for _, value in parse_qsl(parts.query):
        found += [value, value.partition("/")[0]]  # the paths of the protocol follow the address of the user
    kept = dict.fromkeys(each for each in found if len(each) >= _SHORTEST_SECRET)
    return tuple(sorted(kept, key=len, reverse=True))  # what holds another one first


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    r"""A text with three asterisks in the place of each secret, also where it is written with JSON's escapes.

    Args:
        text: any text.
        secrets: what was sent; those that are empty are ignored.

    Examples:
        >>> without_secrets("the key a/b is wrong, a\/b, \u0061/b", ["a/b"])
        'the key *** is wrong, ***, ***'
    """
    for secret in filter(None, secrets):
        text = _pattern(secret).sub(REDACTED, text) if "\\" in text else text.replace(secret, REDACTED)
    return text


@lru_cache(maxsize=16)
def _pattern(secret: str) -> re.Pattern[str]:
    return re.compile("".join(rf"(?:\\?{re.escape(c)}|\\u(?i:{ord(c):04x}))" for c in secret))


def json_values(content: bytes, secrets: Sequence[str] = ()) -> Any:
    """What a JSON document holds, ``cleaned``.

    Args:
        content: the document.
        secrets: see ``without_secrets``.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return cleaned(json.loads(content), secrets)


def cleaned(value: Any, secrets: Sequence[str] = ()) -> Any:
    """A value of JSON without secrets, and with U+FFFD in the place of each half of a surrogate pair.

    Args:
        value: strings, numbers, None, and lists and dictionaries of them.
        secrets: see ``without_secrets``.

    Examples:
        >>> cleaned({"a": ["my sk-12345678", chr(0xD800), 1.5]}, ["sk-12345678"]) == {"a": ["my ***", REPLACED, 1.5]}
        True
    """
    if isinstance(value, str):
        text = without_secrets(value, secrets)
        return text if text.isascii() else _HALF_PAIR.sub(REPLACED, text)
    if isinstance(value, list):
        return [cleaned(each, secrets) for each in value]
    if isinstance(value, dict):
        return {cleaned(name, secrets): cleaned(each, secrets) for name, each in value.items()}
    return value
