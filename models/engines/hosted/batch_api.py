"""Batch files of an OpenAI-compatible API: uploaded, started, polled and fetched, each call with retries.

A line of a file is ``{"custom_id", "method", "url", "body"}``, which `vllm run-batch` takes, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from ambivox.models.engines._bounded_http import InvalidResponseError, request, shown_address
from ambivox.models.engines._retry import BackOff, Retries, TransientError, failure, is_transient
from ambivox.models.errors import UserError

# What providers document; files are kept well below.
MAX_FILE_BYTES = 100 * 10**6
MAX_ROWS = 20_000
ENDPOINT = "/v1/chat/completions"
# In the metadata of a batch: the name that this project gave it.
_JOB = "ambivox_job"
_BACK_OFF = BackOff(0.5, 30.0)
_UPLOAD_SECONDS = 600.0
_MAX_RESULT_BYTES = 1024 * 2**20
_PAGES = 20
_ENDED = frozenset({"completed", "expired", "failed", "cancelled"})


@dataclass(frozen=True)
class BatchState:
    """What the provider says about a batch.

    Attributes:
        id: the provider's name of it.
        status: such as "in_progress", "completed" or "expired".
        output_file: the file of answers; "" where there is none.
        error_file: the file of rows without an answer; "" where there is none.
        reason: why the whole batch failed; "" where it did not.
        job: the name that this project gave it.
    """

    id: str
    status: str
    output_file: str = ""
    error_file: str = ""
    reason: str = ""
    job: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether no more answers will come; an expired batch has some."""
        return self.status in _ENDED


class BatchApi:
    """The calls. Threads may share an object.

    Args:
        base_url: the address of the API.
        key: the API key, or "".
        timeout_seconds: the time without any answer after which the endpoint is given up.
    """

    def __init__(self, base_url: str, key: str, timeout_seconds: float) -> None:
        self.place = shown_address(base_url)
        self._url = base_url
        self._key = key
        self._seconds = timeout_seconds
        self._client = httpx.Client(headers={"Authorization": f"Bearer {key}"} if key else {})

    def start(self, content: bytes, job: str) -> BatchState:
        """Upload a file and start it as a batch, once: a batch of this name that exists already is taken.

        Args:
            content: the lines.
            job: the name of the batch, different for each.

        Raises:
            UserError: the provider takes no batches, or no more.
        """
        files = {"file": (f"{job}.jsonl", content, "application/jsonl")}
        uploaded = self._call(
            "/files", _mapping, form={"purpose": "batch"}, files=files, seconds=_UPLOAD_SECONDS
        )
        body = {
            "input_file_id": str(uploaded.get("id")),
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {_JOB: job},
        }
        # An answer that got lost may have started it: a second one would be paid, too.
        return self._call("/batches", _state, body=body, before_retry=lambda: self.find(job))

    def find(self, job: str) -> BatchState | None:
        """The batch of this name, or None.

        Args:
            job: see ``start``.
        """
        after = ""
        for _ in range(_PAGES):
            page = self._call(f"/batches?limit=100{f'&after={after}' if after else ''}", _mapping)
            states = [_state(entry) for entry in page.get("data") or []]
            for state in states:
                if state.job == job:
                    return state
            if not page.get("has_more") or not states:
                break
            after = states[-1].id
        return None

    def state(self, batch: str) -> BatchState:
        """The state of a batch.

        Args:
            batch: the provider's name of it.
        """
        return self._call(f"/batches/{batch}", _state)

    def rows(self, file: str) -> Iterator[dict[str, Any]]:
        """The rows of a result file.

        Args:
            file: the provider's name of it; "" for none.

        Raises:
            UserError: the file is damaged: a line is no JSON object.
        """
        if not file:
            return
        response = self._call(
            f"/files/{file}/content", lambda got: got, seconds=_UPLOAD_SECONDS, is_json=False
        )
        for number, line in enumerate(response.content.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise UserError(
                    f"{self.place}/files/{file}: line {number} of the batch's answers is no JSON object"
                )
            yield row

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
        attempts = 0

        def attempt() -> Any:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and (known := before_retry()) is not None:
                return known
            response = request(
                self._client,
                f"{self._url}{path}",
                body,
                form=form,
                files=files,
                seconds=seconds,
                max_bytes=_MAX_RESULT_BYTES,
            )
            if response.status == 200:
                return parse(response.json() if is_json else response)
            reason = failure(response, response.text, self._key)
            if is_transient(response.status):
                raise TransientError(reason)
            raise UserError(
                f"{self.place}{path.partition('?')[0]}: the provider refuses the batch ({reason})"
            )

        return Retries(self.place, self._key, self._seconds, _BACK_OFF).until_success(attempt, path)


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
    reasons = [str(error.get("message")) for error in listed or [] if isinstance(error, dict)]
    metadata = entry.get("metadata")
    return BatchState(
        entry["id"],
        entry["status"],
        str(entry.get("output_file_id") or ""),
        str(entry.get("error_file_id") or ""),
        "; ".join(reasons)[:200],
        str(metadata.get(_JOB) or "") if isinstance(metadata, dict) else "",
    )
