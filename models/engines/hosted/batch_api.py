"""What a provider's batch API does, whichever it is: openai_batch.py and gemini_batch.py implement it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ambivox.models.engines._reply_content import json_values
from ambivox.models.engines.hosted.answer import Answer
from ambivox.models.errors import UserError

# Below what the providers document.
MAX_FILE_BYTES = 100 * 10**6
MAX_ROWS = 20_000
MAX_RESULT_BYTES = 1024 * 2**20
UPLOAD_SECONDS = 600.0
_ENDED = frozenset({"completed", "expired", "failed", "cancelled"})


@dataclass(frozen=True)
class BatchState:
    """What the provider says about a batch.

    Attributes:
        id: the provider's name of it.
        status: "completed", "expired", "failed" or "cancelled"; anything else is not at its end.
        output_file: the file of answers; "" where there is none.
        error_file: the file of rows without an answer; "" where there is none.
        reason: why the whole batch failed; "" where it did not, or where the provider gives none.
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
        """Whether no more answers will come; an expired batch may have some."""
        return self.status in _ENDED


class BatchApi(Protocol):
    """The calls, each with retries. Threads may share an object."""

    place: str
    """The address of the API, for messages."""

    def encoded(self, body: dict[str, Any]) -> bytes:
        """A request as JSON, in the provider's form.

        Args:
            body: a chat completion.
        """

    def line(self, name: str, request: bytes) -> bytes:
        """A line of a file.

        Args:
            name: the name of the row.
            request: see ``encoded``.
        """

    def start(self, content: bytes, job: str) -> BatchState:
        """Upload a file and start it as a batch, once: a batch of this name that exists already is taken.

        Args:
            content: the lines.
            job: the name of the batch, different for each.

        Raises:
            UserError: the provider takes no batches, or no more.
        """

    def find(self, job: str) -> BatchState | None:
        """The batch of this name, or None.

        Args:
            job: see ``start``.
        """

    def state(self, batch: str) -> BatchState:
        """The state of a batch.

        Args:
            batch: the provider's name of it.
        """

    def answers(self, state: BatchState) -> Iterator[tuple[str, Answer | None]]:
        """The rows that a batch has answered.

        Args:
            state: of a batch that has ended.

        Yields:
            The name of each row, and its answer: None where it has to be asked again.

        Raises:
            UserError: a file is damaged: a line is no JSON object.
        """

    def close(self) -> None:
        """Close the connections."""


def parsed_rows(content: bytes, shown: str, secrets: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The JSON objects in the lines of a result file, ``cleaned``.

    Args:
        content: the file.
        shown: its name in messages.
        secrets: what was sent to the server and must not be kept.

    Raises:
        UserError: a line is no JSON object.
    """
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json_values(line, secrets)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{shown}: line {number} of the batch's answers is no JSON object")
        yield row
