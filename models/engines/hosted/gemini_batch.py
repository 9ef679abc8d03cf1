"""Gemini's batches through `google-genai`: a file is uploaded, started, polled and fetched, each call with retries.

The package offers no bound of an answer's time and size, so it is given an httpx client that has one, and that follows no
redirects, which would show the key to another server.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import httpx

from ambivox.models.engines._bounded_http import (
    CONNECT_SECONDS,
    InvalidResponseError,
    SlowResponseError,
    check_not_compressed,
    first_words,
    shown_address,
)
from ambivox.models.engines._reply_content import cleaned, secrets_sent
from ambivox.models.engines._retry import BackOff, Retries, TransientError, is_transient
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.batch_api import MAX_RESULT_BYTES, UPLOAD_SECONDS, BatchState, parsed_rows
from ambivox.models.engines.hosted.gemini_request import generate_content, parse_response
from ambivox.models.engines.hosted.keys import check_key
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.http_total_time import NOT_COMPRESSED, total_time, with_total_time
from ambivox.models.prompting.hosted_spec import Hosted

T = TypeVar("T")

_BACK_OFF = BackOff(0.5, 30.0)
_MAX_LISTED = 2000
# The others are not at their end.
_STATUS = {
    "JOB_STATE_SUCCEEDED": "completed",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "completed",
    "JOB_STATE_EXPIRED": "expired",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
}
# The codes of google.rpc.Status, and of HTTP, that mean that this row alone cannot be answered.
_REFUSED_ROWS = frozenset({3, 9, 11, 400, 413, 422})


class GeminiBatch:
    """See ``BatchApi``.

    Args:
        hosted: how the endpoint is reached: the address of its OpenAI-compatible API, which ends in the version and
            "/openai".
        key: the API key, or "".
        timeout_seconds: the time without any answer after which the endpoint is given up.

    Raises:
        MissingExtraError: google-genai is not installed.
    """

    def __init__(self, hosted: Hosted, key: str, timeout_seconds: float) -> None:
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise MissingExtraError("google-genai", "gemini") from error
        root, _, version = hosted.base_url.removesuffix("/openai").rpartition("/")
        self.place = shown_address(root)
        self._hosted = hosted
        self._key = key
        self._secrets = secrets_sent(key, hosted.base_url)
        self._seconds = timeout_seconds
        self._error = errors.APIError
        self._http = with_total_time(
            httpx.Client(
                timeout=httpx.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS),
                headers=NOT_COMPRESSED,
                event_hooks={"response": [_bound]},
            )
        )
        # Everything is given: the package would take addresses and projects from the environment.
        self._connect: Callable[[], Any] = lambda: genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(base_url=root, api_version=version, httpx_client=self._http),
        )

    def encoded(self, body: dict[str, Any]) -> bytes:
        """See ``BatchApi.encoded``."""
        return json.dumps(generate_content(body)).encode()

    def line(self, name: str, request: bytes) -> bytes:
        """See ``BatchApi.line``."""
        return b'{"key": ' + json.dumps(name).encode() + b', "request": ' + request + b"}\n"

    def start(self, content: bytes, job: str) -> BatchState:
        """See ``BatchApi.start``."""
        uploaded = self._call(
            lambda: self._client.files.upload(
                file=io.BytesIO(content), config={"display_name": job, "mime_type": "jsonl"}
            )
        )
        # An answer that got lost may have started it: a second one would be paid, too.
        return self._call(
            lambda: self._state(
                self._client.batches.create(
                    model=self._hosted.model, src=uploaded.name, config={"display_name": job}
                )
            ),
            before_retry=lambda: self.find(job),
        )

    def find(self, job: str) -> BatchState | None:
        """See ``BatchApi.find``."""

        def found() -> BatchState | None:
            listed = islice(self._client.batches.list(config={"page_size": 100}), _MAX_LISTED)
            return next((self._state(each) for each in listed if each.display_name == job), None)

        return self._call(found)

    def state(self, batch: str) -> BatchState:
        """See ``BatchApi.state``."""
        return self._call(lambda: self._state(self._client.batches.get(name=batch)))

    def answers(self, state: BatchState) -> Iterator[tuple[str, Answer | None]]:
        """See ``BatchApi.answers``."""
        if not state.output_file:
            return
        content = self._call(lambda: self._client.files.download(file=state.output_file))
        place = f"{self.place}/{first_words(state.output_file)}"
        for row in parsed_rows(content, place, self._secrets):
            yield str(row.get("key")), _answer_in(row)

    def close(self) -> None:
        """See ``BatchApi.close``."""
        self._http.close()

    def _state(self, batch: Any) -> BatchState:
        if not batch.name or batch.state is None:
            raise InvalidResponseError("a batch without a name or a state")
        output = batch.dest.file_name if batch.dest else None
        return BatchState(
            cleaned(batch.name, self._secrets),
            _STATUS.get(batch.state.name, "in_progress"),
            output_file=cleaned(output or "", self._secrets),
            reason=cleaned((batch.error.message or "") if batch.error else "", self._secrets),
            job=cleaned(batch.display_name or "", self._secrets),
        )

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def _call(self, call: Callable[[], T], before_retry: Callable[[], T | None] = lambda: None) -> T:
        check_key(self._hosted, self._key)

        def attempt() -> T:
            try:
                with total_time(2 * UPLOAD_SECONDS):
                    return call()
            except self._error as error:
                message = error.message or str(error.details)
                reason = f"status {error.code}: {first_words(message, self._key)}"
                if is_transient(error.code):
                    raise TransientError(reason) from error
                raise UserError(f"{self.place}: the provider refuses the batch ({reason})") from error
            # What google-genai raises where the content of an answer is not what it expects.
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InvalidResponseError(first_words(str(error), self._key)) from error

        retries = Retries(self.place, self._key, self._seconds, _BACK_OFF)
        return retries.until_success(attempt, before_retry=before_retry)


def _answer_in(row: dict[str, Any]) -> Answer | None:
    """The answer in a row of a result; None where it has to be asked again."""
    if "response" in row:
        try:
            return replace(parse_response(row["response"]), in_batch=True)
        except InvalidResponseError:
            return None
    error = row.get("error")
    if not isinstance(error, dict):
        return None
    code = error.get("code")
    if not isinstance(code, int) or code not in _REFUSED_ROWS:
        return None
    reason = first_words(str(error.get("message")))
    return Answer(f"(status {code}: {reason})", "", Usage(), refused=True, in_batch=True)


class _BoundedStream(httpx.SyncByteStream):
    """The body of a response, within the total time and size."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        deadline, size = time.monotonic() + UPLOAD_SECONDS, 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_RESULT_BYTES:
                raise InvalidResponseError(f"more than {MAX_RESULT_BYTES / 2**20:.0f} MiB")
            if time.monotonic() > deadline:
                raise SlowResponseError(f"not complete after {UPLOAD_SECONDS:.0f} s")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _bound(response: httpx.Response) -> None:
    check_not_compressed(response.headers)
    response.stream = _BoundedStream(response.stream)
