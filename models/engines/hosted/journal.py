"""The journal of paid answers: a SQLite file that each answer is written to as it arrives.

SQLite commits to disk, several processes may write, and a killed process leaves it whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from ambivox.models.counted import counted
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.batch_jobs import forget_rows
from ambivox.models.engines.hosted.journal_file import JournalFile
from ambivox.models.engines.hosted.journal_repair import (
    as_json,
    asked,
    redact_addresses,
    repair_answers,
    stored_answer,
)
from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import Hosted

_logger = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    endpoint TEXT, request TEXT, answer TEXT, model TEXT,
    text_tokens INTEGER, audio_tokens INTEGER, cached_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
    at TEXT DEFAULT CURRENT_TIMESTAMP, audio_name TEXT, PRIMARY KEY (endpoint, request)
)
"""
_COLUMNS = "PRAGMA table_info(answers)"


@dataclass(frozen=True)
class Spent:
    """What answers took.

    Attributes:
        requests: the number of answers.
        clips: the clips whose audio was sent.
        uncounted: those of them whose tokens are estimates, as the endpoint did not count them.
        usage: the tokens of all.
        in_batches: the tokens of those that came in batches.
    """

    requests: int
    clips: int
    uncounted: int
    usage: Usage
    in_batches: Usage

    def cost(self, hosted: Hosted) -> float | None:
        """US dollars; None where prices are not known.

        Args:
            hosted: has the prices.
        """
        full, batches = self.usage.cost(hosted.prices), self.in_batches.cost(hosted.prices)
        return None if full is None or batches is None else full - batches * (1 - hosted.batch_price)


class Journal:
    """The answers of one endpoint and model.

    Args:
        path: the file; created with its folder.
        base_url: the address of the endpoint.
        model: the model that is asked for.
        answered_by: the model that is expected to answer; "" for the one asked for. It has answers of its own.

    Raises:
        UserError: see ``JournalFile``, as for all methods.
    """

    def __init__(self, path: Path, base_url: str, model: str, answered_by: str = "") -> None:
        self.path = path
        self._asked = asked(base_url, model)
        self._endpoint = f"{self._asked} {answered_by}".strip()
        self._file = JournalFile(path, _TABLE)
        if "audio_name" not in {row[1] for row in self._file.execute(_COLUMNS)}:
            self._file.execute("ALTER TABLE answers ADD COLUMN audio_name TEXT")
        redact_addresses(self._file.execute)
        self._unreadable: set[str] = set()
        if count := repair_answers(self._file.execute, self._endpoint):
            _logger.warning(
                f"{path}: {counted(count, 'paid answer')} cannot be read, and will be asked for again where needed"
            )

    @property
    def asked(self) -> str:
        """The endpoint and the model that is asked for, whichever answers."""
        return self._asked

    def find(self, request: str) -> Answer | None:
        """The answer to a request; None where there is none, or one that cannot be read.

        Args:
            request: see ``request_key``.
        """
        rows = self._file.execute(
            "SELECT answer FROM answers WHERE endpoint = ? AND request = ?", (self._endpoint, request)
        )
        answer = stored_answer(rows[0][0]) if rows else None
        if rows and answer is None:
            self._unreadable.add(request)
        return answer

    def add(self, request: str, answer: Answer, audio_name: str, answered_by: str | None = None) -> None:
        """Write an answer; the first answer to a request stays, unless it cannot be read.

        Args:
            request: see ``request_key``.
            answer: the answer.
            audio_name: what was sent, as in ``Request``: it begins with the hash of the clip.
            answered_by: the model among whose answers it is kept, if not the one of this journal.
        """
        usage = answer.usage
        row = (
            self._endpoint if answered_by is None else f"{self._asked} {answered_by}",
            request,
            as_json(answer),
            answer.model,
            *asdict(usage).values(),
            audio_name,
        )
        conflict = "REPLACE" if answered_by is None and request in self._unreadable else "IGNORE"
        self._file.execute(
            f"INSERT OR {conflict} INTO answers (endpoint, request, answer, model, text_tokens, audio_tokens, "  # noqa: S608
            "cached_tokens, output_tokens, reasoning_tokens, audio_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def usage(self, clips: Collection[str] | None = None) -> Spent:
        """The answers so far.

        Args:
            clips: ``audio_sha256`` of the clips whose answers are counted; None for all.
        """
        rows = self._file.execute(
            "SELECT substr(audio_name, 1, 64), coalesce(json_extract(readable, '$.in_batch'), 0), count(*), "
            "max(audio_name NOT LIKE '%:transcript'), count(nullif(json_extract(readable, '$.is_counted'), 1)), "
            "sum(text_tokens), sum(audio_tokens), sum(cached_tokens), sum(output_tokens), sum(reasoning_tokens) "
            # What cannot be read was paid all the same.
            "FROM (SELECT *, CASE WHEN json_valid(answer) THEN answer END AS readable FROM answers WHERE endpoint = ?) "
            "GROUP BY 1, 2",
            (self._endpoint,),
        )
        rows = [row for row in rows if clips is None or row[0] in clips]
        sent = {clip for clip, _, _, has_audio, *_ in rows if has_audio}
        usages = [(bool(in_batch), Usage(*tokens)) for _, in_batch, _, _, _, *tokens in rows]
        return Spent(
            requests=sum(row[2] for row in rows),
            clips=len(sent),
            uncounted=sum(row[4] for row in rows),
            usage=sum((usage for _, usage in usages), Usage()),
            in_batches=sum((usage for in_batch, usage in usages if in_batch), Usage()),
        )

    def models(self) -> list[str]:
        """The models that the answers so far name, most frequent first."""
        rows = self._file.execute(
            "SELECT model FROM answers WHERE endpoint = ? GROUP BY model ORDER BY count(*) DESC, model",
            (self._endpoint,),
        )
        return [row[0] for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def forget_audio(path: Path, hashes: Collection[str]) -> tuple[int, list[str]]:
    """Remove the answers about clips from a journal.

    Answers that were written before the journal named clips are removed, too, as they may be about them: the vote store
    has those that runs completed.

    Args:
        path: the file, which need not exist.
        hashes: ``audio_sha256`` of the clips.

    Returns:
        How many answers were removed, and the endpoints and models that gave them.

    Raises:
        UserError: the file cannot be read or written, or is no journal.
    """
    if not path.is_file():
        return 0, []
    try:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete=ON")
            redact_addresses(lambda statement, values: database.execute(statement, values).fetchall())
            names_clips = "audio_name" in _columns(database)
            rows = database.execute(
                f"SELECT rowid, endpoint, {'audio_name' if names_clips else 'NULL'} FROM answers"  # noqa: S608
            ).fetchall()
            named = set(hashes)
            of_clips = [(row, endpoint) for row, endpoint, name in rows if not name or name[:64] in named]
            forget_rows(database, named)
            if of_clips:
                database.executemany("DELETE FROM answers WHERE rowid = ?", [(row,) for row, _ in of_clips])
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("VACUUM")
    except sqlite3.Error as error:
        raise UserError(
            f"{path}: answers cannot be removed from the journal ({error}); end the runs that use it, or delete the file"
        ) from error
    return len(of_clips), sorted({endpoint for _, endpoint in of_clips})


def _columns(database: sqlite3.Connection) -> set[str]:
    return {row[1] for row in database.execute(_COLUMNS)}


def request_key(*parts: object) -> str:
    """The hash of all that decides an answer (64 hexadecimal digits).

    Args:
        *parts: strings, numbers, None, and lists and dictionaries of them.
    """
    return hashlib.sha256(
        json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    ).hexdigest()
