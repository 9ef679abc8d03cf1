"""The files of batches: shuffled lines with canaries among them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ambivox.models.engines.hosted.batch_api import MAX_FILE_BYTES, MAX_ROWS, BatchApi
from ambivox.models.engines.hosted.batch_jobs import Job, Row
from ambivox.models.engines.hosted.planned import Planned


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
    requests: Sequence[Planned], canaries: Sequence[Canary], accepted: Accepted, api: BatchApi
) -> Iterator[BatchFile]:
    """The files of a submission, below the providers' limits, with all canaries in each.

    Args:
        requests: what is asked.
        canaries: requests with known answers.
        accepted: the body without parameters that the endpoint refuses.
        api: gives the form of the lines.

    Yields:
        Files whose lines are in a random order, under names of no order.
    """

    def encoded(planned: Planned) -> bytes:
        return api.encoded(accepted(planned.body()))

    rng = random.Random("".join(planned.key for planned in requests))
    known = [(canary, encoded(canary.planned)) for canary in canaries]
    canary_bytes = sum(len(body) for _, body in known)
    bodies: list[tuple[Planned, bytes]] = []
    size = canary_bytes
    for planned in rng.sample(requests, len(requests)):
        body = encoded(planned)
        if bodies and (size + len(body) > MAX_FILE_BYTES or len(bodies) + len(known) >= MAX_ROWS):
            yield _file(bodies, known, rng, api)
            bodies, size = [], canary_bytes
        bodies.append((planned, body))
        size += len(body)
    if bodies:
        yield _file(bodies, known, rng, api)


def _file(
    bodies: list[tuple[Planned, bytes]],
    canaries: list[tuple[Canary, bytes]],
    rng: random.Random,
    api: BatchApi,
) -> BatchFile:
    job = uuid.uuid4().hex
    count = len(bodies) + len(canaries)
    names = [f"{job[:12]}-{number:06d}" for number in rng.sample(range(count), count)]
    lines = [api.line(name, body) for name, (_, body) in zip(names, [*bodies, *canaries], strict=True)]
    rng.shuffle(lines)
    rows = {
        name: Row(planned.key, planned.audio_name, planned.estimate.text, planned.estimate.audio)
        for name, (planned, _) in zip(names, bodies, strict=False)
    }
    letters = {name: canary.letter for name, (canary, _) in zip(names[len(bodies) :], canaries, strict=True)}
    return BatchFile(Job(job, "", rows, letters), b"".join(lines))


def letter_of(text: str) -> str:
    """The letter of an answer to a canary; "" where it is none.

    Args:
        text: what the model wrote.
    """
    letter = text.strip().strip("\"'(*")[:1].upper()
    return letter if letter.isalpha() else ""
