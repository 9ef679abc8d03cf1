"""Objects on S3, or on a server that speaks its protocol: the one client that audio, votes and ALMs use.

Endpoint, region, credentials and the number of attempts come from AWS's own variables and files
(``AWS_ENDPOINT_URL``, ``AWS_MAX_ATTEMPTS``, ``~/.aws``). An object is named by its URL, ``s3://bucket/key``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ambivox.models.errors import UserError

T = TypeVar("T")
SCHEME = "s3://"
# Half a minute and more of 503s, time-outs and cut connections.
_ATTEMPTS = 8
# How often an object is read whose content breaks off on the way: botocore retries requests, but not contents.
_READS = 4
_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_FORBIDDEN = frozenset({"403", "AccessDenied", "Forbidden"})


class ObjectStoreError(UserError):
    """S3 cannot be reached, refuses the credentials, or fails for longer than is retried."""


@dataclass(frozen=True)
class StoredObject:
    """What S3 says of an object: its URL, size in bytes, content tag, and time of change (ns since 1970)."""

    url: str
    size: int
    etag: str
    modified_ns: int


def is_object_url(name: str) -> bool:
    """Whether ``name`` is an ``s3://`` URL."""
    return name.startswith(SCHEME)


def list_objects(url: str) -> list[StoredObject]:
    """Every object whose URL begins with ``url``, in the order of their keys.

    Raises:
        ObjectStoreError: see the class.
    """
    bucket, prefix = _split(url)

    def listed(client: Any) -> list[StoredObject]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            _described(f"{SCHEME}{bucket}/{entry['Key']}", entry["Size"], entry)
            for page in pages
            for entry in page.get("Contents", [])
        ]

    return _call(url, listed)


def object_info(url: str) -> StoredObject:
    """Size and tag of one object.

    Raises:
        FileNotFoundError: there is no such object.
        PermissionError: it may not be read.
        ObjectStoreError: see the class.
    """
    bucket, key = _split(url)
    reply = _call(url, lambda client: client.head_object(Bucket=bucket, Key=key))
    return _described(url, reply["ContentLength"], reply)


def read_object(url: str) -> bytes:
    """The content of one object; a content that breaks off is read again.

    Raises:
        FileNotFoundError: there is no such object.
        PermissionError: it may not be read.
        ObjectStoreError: see the class.
    """
    bucket, key = _split(url)

    def content(client: Any) -> bytes:
        from botocore.exceptions import ReadTimeoutError, ResponseStreamingError

        for _ in range(_READS - 1):
            with suppress(ReadTimeoutError, ResponseStreamingError):
                return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    return _call(url, content)


def write_object(url: str, content: bytes) -> None:
    """Store an object. One PUT is atomic: readers see the whole object or none.

    Raises:
        ObjectStoreError: see the class.
    """
    bucket, key = _split(url)
    _call(url, lambda client: client.put_object(Bucket=bucket, Key=key, Body=content))


def download_object(url: str, path: Path) -> None:
    """Write the content of one object to ``path``, in parts, so that memory does not grow with its size.

    Raises:
        FileNotFoundError: there is no such object.
        PermissionError: it may not be read.
        ObjectStoreError: see the class.
    """
    bucket, key = _split(url)
    _call(url, lambda client: client.download_file(bucket, key, str(path)))


def _described(url: str, size: Any, reply: Any) -> StoredObject:
    return StoredObject(url, int(size), str(reply["ETag"]), int(reply["LastModified"].timestamp() * 1e9))


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, key


def _call(url: str, ask: Callable[[Any], T]) -> T:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    try:
        return ask(_client(environment))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            raise FileNotFoundError(f"{url}: no such object") from error
        if code in _FORBIDDEN:
            raise PermissionError(f"{url}: access denied") from error
        raise ObjectStoreError(f"{url}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise ObjectStoreError(f"{url}: {error}; check AWS_ENDPOINT_URL and the credentials") from error


@lru_cache(maxsize=4)
def _client(environment: tuple[tuple[str, str], ...]) -> Any:
    """One client for each setting of AWS's variables; a client may be used by several threads."""
    import boto3
    from botocore.config import Config

    retries: Any = {"max_attempts": _ATTEMPTS, "mode": "standard"}
    chosen_by_user = any(name == "AWS_MAX_ATTEMPTS" for name, _ in environment)
    config = Config(retries=None if chosen_by_user else retries, max_pool_connections=32)
    return boto3.client("s3", config=config)
