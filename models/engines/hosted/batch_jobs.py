"""The batches that were submitted and not fetched yet, in the journal's file, so that any later run fetches them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ambivox.models.engines.hosted.journal_file import JournalFile

# submitting: the provider may or may not have it; submitted: it has; done, refused, failed: nothing more is expected.
JobState = Literal["submitting", "submitted", "done", "refused", "failed"]
_TABLE = """
CREATE TABLE IF NOT EXISTS batches (
    endpoint TEXT, job TEXT, batch TEXT, state TEXT, rows TEXT, canaries TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (endpoint, job)
)
"""


@dataclass(frozen=True)
class Row:
    """What a row of a batch asks.

    Attributes:
        key: the request, see ``journal.request_key``.
        audio_name: see ``Request``.
        text_tokens: an estimate, for a provider that does not count.
        audio_tokens: likewise.
    """

    key: str
    audio_name: str
    text_tokens: int
    audio_tokens: int


@dataclass(frozen=True)
class Job:
    """A batch.

    Attributes:
        name: the name that this project gave it.
        batch: the provider's name of it; "" until that is known.
        rows: what each ``custom_id`` asks.
        canaries: the known answer of each ``custom_id`` that is a canary.
    """

    name: str
    batch: str
    rows: dict[str, Row] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)


class BatchJobs:
    """The batches of one endpoint and model.

    Args:
        path: the journal's file.
        endpoint: identifies the endpoint and the model.
    """

    def __init__(self, path: Path, endpoint: str) -> None:
        self._endpoint = endpoint
        self._file = JournalFile(path, _TABLE)

    def add(self, job: Job) -> None:
        """Note a batch before it is submitted.

        Args:
            job: the batch.
        """
        rows = {name: vars(row) for name, row in job.rows.items()}
        self._file.execute(
            "INSERT INTO batches (endpoint, job, batch, state, rows, canaries) VALUES (?, ?, ?, 'submitting', ?, ?)",
            (self._endpoint, job.name, job.batch, json.dumps(rows), json.dumps(job.canaries)),
        )

    def set_state(self, job: Job, state: JobState, batch: str = "") -> None:
        """Note what became of a batch.

        Args:
            job: the batch.
            state: its state.
            batch: the provider's name of it, where it is known now.
        """
        self._file.execute(
            "UPDATE batches SET state = ?, batch = ? WHERE endpoint = ? AND job = ?",
            (state, batch or job.batch, self._endpoint, job.name),
        )

    def open(self) -> list[Job]:
        """The batches whose answers are not fetched yet, the oldest first."""
        batches = self._file.execute(
            "SELECT job, batch, rows, canaries FROM batches WHERE endpoint = ? AND state IN "
            "('submitting', 'submitted') ORDER BY at, job",
            (self._endpoint,),
        )
        return [
            Job(name, batch, {key: Row(**row) for key, row in json.loads(rows).items()}, json.loads(canaries))
            for name, batch, rows, canaries in batches
        ]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def forget_rows(database: sqlite3.Connection, hashes: Collection[str]) -> None:
    """Remove what open batches ask about clips, so that their answers are not stored.

    Args:
        database: the journal's.
        hashes: ``audio_sha256`` of the clips.
    """
    database.execute(_TABLE)
    for row, rows in database.execute("SELECT rowid, rows FROM batches").fetchall():
        known = json.loads(rows)
        kept = {name: asked for name, asked in known.items() if asked["audio_name"][:64] not in hashes}
        if len(kept) < len(known):
            database.execute("UPDATE batches SET rows = ? WHERE rowid = ?", (json.dumps(kept), row))
