"""The files of batches: shuffled lines with canaries among them, and what the lines of a result say."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ambivox.models.engines._bounded_http import InvalidResponseError, first_words
from ambivox.models.engines._retry import is_transient
from ambivox.models.engines.hosted.answer import Answer, Usage, parse_answer
from ambivox.models.engines.hosted.batch_api import ENDPOINT, MAX_FILE_BYTES, MAX_ROWS
from ambivox.models.engines.hosted.batch_jobs import Job, Row
from ambivox.models.engines.hosted.planned import Planned

# A result comes as a file, never as a stream.
_NOT_IN_A_FILE = ("stream", "stream_options")


@dataclass(frozen=True)
class Canary:
    """A request whose answer is known.

    Attributes:
        planned: the request.
        letter: its answer.
    """

    planned: Planned
    letter: str


@dataclass(frozen=True)
class BatchFile:
    """A file that is ready to be submitted.

    Attributes:
        job: the batch.
        content: the lines.
    """

    job: Job
    content: bytes


Accepted = Callable[[dict[str, Any]], dict[str, Any]]


def batch_files(
    requests: Sequence[Planned], canaries: Sequence[Canary], accepted: Accepted
) -> Iterator[BatchFile]:
    """The files of a submission, below the providers' limits, with all canaries in each.

    Args:
        requests: what is asked.
        canaries: requests with known answers.
        accepted: the body without parameters that the endpoint refuses.

    Yields:
        Files whose lines are in a random order, under names of no order.
    """

    def encoded(planned: Planned) -> bytes:
        body = accepted(planned.body())
        return json.dumps(
            {name: value for name, value in body.items() if name not in _NOT_IN_A_FILE}
        ).encode()

    rng = random.Random("".join(planned.key for planned in requests))
    known = [(canary, encoded(canary.planned)) for canary in canaries]
    canary_bytes = sum(len(body) for _, body in known)
    bodies: list[tuple[Planned, bytes]] = []
    size = canary_bytes
    for planned in rng.sample(requests, len(requests)):
        body = encoded(planned)
        if bodies and (size + len(body) > MAX_FILE_BYTES or len(bodies) + len(known) >= MAX_ROWS):
            yield _file(bodies, known, rng)
            bodies, size = [], canary_bytes
        bodies.append((planned, body))
        size += len(body)
    if bodies:
        yield _file(bodies, known, rng)


def _file(
    bodies: list[tuple[Planned, bytes]], canaries: list[tuple[Canary, bytes]], rng: random.Random
) -> BatchFile:
    job = uuid.uuid4().hex
    count = len(bodies) + len(canaries)
    names = [f"{job[:12]}-{number:06d}" for number in rng.sample(range(count), count)]
    lines = [_line(name, body) for name, (_, body) in zip(names, [*bodies, *canaries], strict=True)]
    rng.shuffle(lines)
    rows = {
        name: Row(planned.key, planned.audio_name, planned.estimate.text, planned.estimate.audio)
        for name, (planned, _) in zip(names, bodies, strict=False)
    }
    letters = {name: canary.letter for name, (canary, _) in zip(names[len(bodies) :], canaries, strict=True)}
    return BatchFile(Job(job, "", rows, letters), b"".join(lines))


def _line(name: str, body: bytes) -> bytes:
    head = json.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT}).encode()
    return head[:-1] + b', "body": ' + body + b"}\n"


def letter_of(text: str) -> str:
    """The letter of an answer to a canary; "" where it is none.

    Args:
        text: what the model wrote.
    """
    letter = text.strip().strip("\"'(*")[:1].upper()
    return letter if letter.isalpha() else ""


def answer_in(row: dict[str, Any]) -> Answer | None:
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
