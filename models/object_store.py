"""The S3 client for audio, votes and ALM files; it works with any server that implements the S3 protocol.

Endpoint, region, credentials and the number of attempts come from AWS's environment variables and files
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

from ambivox.models.errors import OutageError, UserError

T = TypeVar("T")
SCHEME = "s3://"
# With exponential backoff, at least half a minute of 503 replies, time-outs and broken connections.
_ATTEMPTS = 8
# Attempts to read an object whose content breaks off: botocore retries requests, but not the reading of a body.
_READS = 4
_ABSENT = frozenset(
    {"404", "NoSuchKey", "NoSuchBucket", "NotFound", "InvalidBucketName", "KeyTooLongError", "InvalidURI"}
)
_BUSY = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
_SERVER_ERRORS = 500
_FORBIDDEN = frozenset({"403", "AccessDenied", "Forbidden"})


class ObjectStoreError(UserError):
    """S3 rejects the credentials or the request, or fails as in ObjectStoreOutageError."""


class ObjectStoreOutageError(ObjectStoreError, OutageError):
    """S3 cannot be reached, or still fails after all retries."""


@dataclass(frozen=True)
class StoredObject:
    """An object's metadata.

    Attributes:
        url: ``s3://bucket/key``.
        size: Bytes.
        etag: The tag that changes with the content.
        modified_ns: When the object was last changed, in nanoseconds since 1970.
    """

    url: str
    size: int
    etag: str
    modified_ns: int


def is_object_url(name: str) -> bool:
    """Tell whether a name is an ``s3://`` URL.

    Args:
        name: A path or a URL.

    Returns:
        True for a URL.

    Example:
        >>> is_object_url("s3://speech/a.wav"), is_object_url("speech/a.wav")
        (True, False)
    """
    return name.startswith(SCHEME)


def list_objects(url: str) -> list[StoredObject]:
    """List every object whose URL begins with ``url``.

    Args:
        url: ``s3://bucket/prefix``.

    Returns:
        The objects, in the order of their keys.

    Raises:
        FileNotFoundError: There is no such bucket.
        PermissionError: The bucket may not be listed.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, prefix = _split(url)

    def list_pages(client: Any) -> list[StoredObject]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            _stored_object(f"{SCHEME}{bucket}/{entry['Key']}", entry["Size"], entry)
            for page in pages
            for entry in page.get("Contents", [])
        ]

    return _call(url, list_pages)


def object_info(url: str) -> StoredObject:
    """Get the metadata of one object.

    Args:
        url: ``s3://bucket/key``.

    Returns:
        Its size, tag and time of change.

    Raises:
        FileNotFoundError: There is no such object.
        PermissionError: The object may not be read.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, key = _split(url)
    reply = _call(url, lambda client: client.head_object(Bucket=bucket, Key=key))
    return _stored_object(url, reply["ContentLength"], reply)


def read_object(url: str) -> bytes:
    """Read the content of one object; a content that breaks off is read again.

    Args:
        url: ``s3://bucket/key``.

    Returns:
        All bytes of the object.

    Raises:
        FileNotFoundError: There is no such object.
        PermissionError: The object may not be read.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, key = _split(url)

    def read_body(client: Any) -> bytes:
        from botocore.exceptions import ReadTimeoutError, ResponseStreamingError

        for _ in range(_READS - 1):
            with suppress(ReadTimeoutError, ResponseStreamingError):
                return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    return _call(url, read_body)


def write_object(url: str, content: bytes) -> None:
    """Store an object in one PUT, which is atomic: readers see the complete object or none.

    Args:
        url: ``s3://bucket/key``.
        content: All bytes of the object.

    Raises:
        FileNotFoundError: There is no such bucket.
        PermissionError: The bucket may not be written.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, key = _split(url)
    _call(url, lambda client: client.put_object(Bucket=bucket, Key=key, Body=content))


def delete_object(url: str) -> None:
    """Delete one object, if it exists; a bucket that keeps versions keeps the earlier ones.

    Args:
        url: ``s3://bucket/key``.

    Raises:
        FileNotFoundError: There is no such bucket.
        PermissionError: The object may not be deleted.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, key = _split(url)
    _call(url, lambda client: client.delete_object(Bucket=bucket, Key=key))


def download_object(url: str, path: Path) -> None:
    """Download one object to a file, in parts, so that memory does not grow with its size.

    Args:
        url: ``s3://bucket/key``.
        path: The file to write.

    Raises:
        FileNotFoundError: There is no such object.
        PermissionError: The object may not be read.
        ObjectStoreError: S3 fails otherwise.
    """
    bucket, key = _split(url)
    _call(url, lambda client: client.download_file(bucket, key, str(path)))


def _stored_object(url: str, size: Any, reply: Any) -> StoredObject:
    return StoredObject(url, int(size), str(reply["ETag"]), int(reply["LastModified"].timestamp() * 1e9))


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, key


def _call(url: str, request: Callable[[Any], T]) -> T:
    """Run a request with the client, and turn botocore's errors into ours."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    try:
        return request(_client(environment))
    except ObjectStoreError as error:
        raise type(error)(f"{url}: {error}") from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            raise FileNotFoundError(f"{url}: no such object") from error
        if code in _FORBIDDEN:
            raise PermissionError(f"{url}: access denied") from error
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        is_outage = status >= _SERVER_ERRORS or code in _BUSY
        raise (ObjectStoreOutageError if is_outage else ObjectStoreError)(f"{url}: {error}") from error
    except ParamValidationError as error:
        # Nothing is asked under a name that no bucket and no object can have.
        raise FileNotFoundError(f"{url}: no such object") from error
    except _outages() as error:
        raise ObjectStoreOutageError(f"{url}: {error}; check AWS_ENDPOINT_URL and the credentials") from error
    except (BotoCoreError, Boto3Error) as error:
        raise ObjectStoreError(f"{url}: {error}; check AWS_ENDPOINT_URL and the credentials") from error


def _outages() -> tuple[type[Exception], ...]:
    """What botocore raises where the server or the way to it fails."""
    from botocore import exceptions

    return (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)


@lru_cache(maxsize=4)
def _client(environment: tuple[tuple[str, str], ...]) -> Any:
    """Make the client, one per setting of AWS's variables; threads may share it."""
    import boto3
    from botocore.config import Config

    retries: Any = {"max_attempts": _ATTEMPTS, "mode": "standard"}
    attempts_are_set = any(name == "AWS_MAX_ATTEMPTS" for name, _ in environment)
    config = Config(retries=None if attempts_are_set else retries, max_pool_connections=32)
    try:
        # boto3's own session would keep the first credentials, whatever the variables say later.
        return boto3.session.Session().client("s3", config=config)
    except ValueError as error:  # an endpoint that is not a URL
        raise ObjectStoreError(f"{error}; check AWS_ENDPOINT_URL") from error
