"""Journals of earlier versions: addresses with what is secret in them, and answers that are no JSON, are put right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ambivox.models.engines._bounded_http import shown_address
from ambivox.models.engines._reply_content import json_values
from ambivox.models.engines.hosted.answer import Answer

# Executes a statement with its values, and returns the rows.
Execute = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]
# What reading a stored answer raises where it is not what was written.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def asked(base_url: str, model: str) -> str:
    """The endpoint and the model, as a journal names them.

    Args:
        base_url: the address of the endpoint.
        model: the model that is asked for.

    Example:
        >>> asked("https://me:secret@host/v1?token=abc", "m")
        'https://host/v1 m'
    """
    return f"{shown_address(base_url)} {model}"


def stored_answer(text: Any) -> Answer | None:
    """The answer that a row holds; None where it cannot be read.

    Args:
        text: JSON; earlier versions wrote NaN and Infinity in it, and halves of surrogate pairs.
    """
    try:
        answer = Answer.of(json_values(text.encode()))
    except _UNREADABLE:
        return None
    has_texts = isinstance(answer.text, str) and isinstance(answer.model, str)
    has_counts = all(isinstance(tokens, int) for tokens in asdict(answer.usage).values())
    return answer if has_texts and has_counts else None


def as_json(answer: Answer) -> str:
    """An answer as a row holds it.

    Args:
        answer: the answer.
    """
    return json.dumps(asdict(answer), allow_nan=False)


def redact_addresses(execute: Execute) -> None:
    """Name endpoints by their addresses without what may be secret in them.

    Args:
        execute: of the journal.
    """
    tables = {name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'", ())}
    has_changed = False
    for table in sorted(tables & {"answers", "batches"}):
        for (endpoint,) in execute(f"SELECT DISTINCT endpoint FROM {table}", ()):  # noqa: S608
            address, _, model = str(endpoint).partition(" ")
            shown = asked(address, model).strip()
            if shown == str(endpoint).strip():
                continue
            if not has_changed:
                execute("PRAGMA secure_delete=ON", ())  # else the pages of the file keep what was in them
            has_changed = True
            execute(f"UPDATE OR IGNORE {table} SET endpoint = ? WHERE endpoint = ?", (shown, endpoint))  # noqa: S608
            execute(f"DELETE FROM {table} WHERE endpoint = ?", (endpoint,))  # noqa: S608
    if has_changed:
        execute("PRAGMA wal_checkpoint(TRUNCATE)", ())


def repair_answers(execute: Execute, endpoint: str) -> int:
    """Write what can be read of answers that are no JSON again.

    Args:
        execute: of the journal.
        endpoint: whose answers.

    Returns:
        How many answers cannot be read.
    """
    rows = execute(
        "SELECT request, answer FROM answers WHERE endpoint = ? AND NOT CASE WHEN json_valid(answer) THEN "
        "json_type(answer, '$.text') IS 'text' AND json_type(answer, '$.usage') IS 'object' ELSE 0 END",
        (endpoint,),
    )
    unreadable = 0
    for request, text in rows:
        if (answer := stored_answer(text)) is None:
            unreadable += 1
            continue
        execute(
            "UPDATE answers SET answer = ? WHERE endpoint = ? AND request = ?",
            (as_json(answer), endpoint, request),
        )
    return unreadable
