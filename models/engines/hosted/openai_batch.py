"""Batch files of an OpenAI-compatible API: uploaded, started, polled and fetched, each call with retries.

A line of a file is ``{"custom_id", "method", "url", "body"}``, which `vllm run-batch` takes, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ambivox.models.engines._bounded_http import (
    InvalidResponseError,
    dicts_in,
    first_words,
    request,
    shown_address,
)
from ambivox.models.engines._retry import BackOff, Retries, TransientError, failure, is_transient
from ambivox.models.engines.hosted.answer import Answer, Usage, parse_answer
from ambivox.models.engines.hosted.batch_api import (
    MAX_RESULT_BYTES,
    UPLOAD_SECONDS,
    BatchState,
    parsed_rows,
)
from ambivox.models.engines.hosted.keys import check_key
from ambivox.models.errors import UserError
from ambivox.models.http_total_time import client_with_key
from ambivox.models.prompting.hosted_spec import Hosted

_ENDPOINT = "/v1/chat/completions"
# In the metadata of a batch: the name that this project gave it.
_JOB = "ambivox_job"
_BACK_OFF = BackOff(0.5, 30.0)
_PAGES = 20
# A result comes as a file, never as a stream.
_NOT_IN_A_FILE = ("stream", "stream_options")


class OpenAiBatch:
    """See ``BatchApi``.

    Args:
        hosted: how the endpoint is reached.
        key: the API key, or "".
        timeout_seconds: the time without any answer after which the endpoint is given up.
    """

    def __init__(self, hosted: Hosted, key: str, timeout_seconds: float) -> None:
        self.place = shown_address(hosted.base_url)
        self._hosted = hosted
        self._key = key
        self._seconds = timeout_seconds
        self._client = client_with_key(key)

    def encoded(self, body: dict[str, Any]) -> bytes:
        """See ``BatchApi.encoded``."""
        return json.dumps(
            {name: value for name, value in body.items() if name not in _NOT_IN_A_FILE}
        ).encode()

    def line(self, name: str, request: bytes) -> bytes:
        """See ``BatchApi.line``."""
        head = json.dumps({"custom_id": name, "method": "POST", "url": _ENDPOINT}).encode()
        return head[:-1] + b', "body": ' + request + b"}\n"

    def start(self, content: bytes, job: str) -> BatchState:
        """See ``BatchApi.start``."""
        files = {"file": (f"{job}.jsonl", content, "application/jsonl")}
        uploaded = self._call(
            "/files", _mapping, form={"purpose": "batch"}, files=files, seconds=UPLOAD_SECONDS
        )
        body = {
            "input_file_id": str(uploaded.get("id")),
            "endpoint": _ENDPOINT,
            "completion_window": "24h",
            "metadata": {_JOB: job},
        }
        # An answer that got lost may have started it: a second one would be paid, too.
        return self._call("/batches", _state, body=body, before_retry=lambda: self.find(job))

    def find(self, job: str) -> BatchState | None:
        """See ``BatchApi.find``."""
        after = ""
        for _ in range(_PAGES):
            page = self._call(f"/batches?limit=100{f'&after={after}' if after else ''}", _mapping)
            states = [_state(entry) for entry in dicts_in(page.get("data"))]
            for state in states:
                if state.job == job:
                    return state
            if not page.get("has_more") or not states:
                break
            after = states[-1].id
        return None

    def state(self, batch: str) -> BatchState:
        """See ``BatchApi.state``."""
        return self._call(f"/batches/{batch}", _state)

    def answers(self, state: BatchState) -> Iterator[tuple[str, Answer | None]]:
        """See ``BatchApi.answers``."""
        for file in filter(None, (state.output_file, state.error_file)):
            got = self._call(
                f"/files/{file}/content", lambda reply: reply, seconds=UPLOAD_SECONDS, is_json=False
            )
            for row in parsed_rows(got.content, f"{self.place}/files/{first_words(file)}", got.secrets):
                yield str(row.get("custom_id")), _answer_in(row)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(
        self,
        path: str,
        parse: Callable[[Any], Any],
        *,
        body: dict[str, Any] | None = None,
        form: dict[str, str] | None = None,
        files: dict[str, Any] | None = None,
        seconds: float = 60.0,
        before_retry: Callable[[], Any] = lambda: None,
        is_json: bool = True,
    ) -> Any:
        check_key(self._hosted, self._key)
        shown = first_words(path.partition("?")[0])  # a path may hold what the provider sent

        def attempt() -> Any:
            response = request(
                self._client,
                f"{self._hosted.base_url}{path}",
                body,
                form=form,
                files=files,
                seconds=seconds,
                max_bytes=MAX_RESULT_BYTES,
            )
            if response.status == 200:
                return parse(response.json() if is_json else response)
            reason = failure(response, response.text, self._key)
            if is_transient(response.status):
                raise TransientError(reason)
            raise UserError(f"{self.place}{shown}: the provider refuses the batch ({reason})")

        retries = Retries(self.place, self._key, self._seconds, _BACK_OFF)
        return retries.until_success(attempt, shown, before_retry)


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InvalidResponseError("no JSON object")
    return content


def _state(content: Any) -> BatchState:
    entry = _mapping(content)
    if not isinstance(entry.get("id"), str) or not isinstance(entry.get("status"), str):
        raise InvalidResponseError("no batch")
    errors = entry.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else None
    reasons = [str(error.get("message")) for error in dicts_in(listed)]
    metadata = entry.get("metadata")
    return BatchState(
        entry["id"],
        entry["status"],
        str(entry.get("output_file_id") or ""),
        str(entry.get("error_file_id") or ""),
        "; ".join(reasons)[:200],
        str(metadata.get(_JOB) or "") if isinstance(metadata, dict) else "",
    )


def _answer_in(row: dict[str, Any]) -> Answer | None:
    """The answer in a row of a result; None where it has to be asked again.

    Args:
        row: a line of a file of answers or of errors.
    """
    response = row.get("response")
    if not isinstance(response, dict):
        return None
    status, body = response.get("status_code", 200), response.get("body")
    if status == 200:
        try:
            return replace(parse_answer(body), in_batch=True)
        except InvalidResponseError:
            return None
    if not isinstance(status, int) or is_transient(status) or status in (401, 402, 403, 404):
        return None
    reason = first_words(json.dumps(body))
    return Answer(f"(status {status}: {reason})", "", Usage(), refused=True, in_batch=True)
