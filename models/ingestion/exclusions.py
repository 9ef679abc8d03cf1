"""Speakers and utterances that were forgotten: what ``ambivox forget`` enters into params.yaml, and how ingest leaves them out.

An entry is ``kind-salt-digest``: it holds no name, but somebody who guesses a name can test the guess against it. It is
as much as a list can hide that works in every clone of a project.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData

Kind = Literal["speaker", "utterance"]
_ENTRY = re.compile(r"(?P<kind>speaker|utterance)-(?P<salt>[0-9a-f]{16})-(?P<digest>[0-9a-f]{32})")


def entries(kind: Kind, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Make entries for names that have none.

    Args:
        kind: What the names are of.
        names: Speakers or utterances.
        known: The entries there are; new ones get the salt of the first.

    Returns:
        The new entries, sorted.

    Raises:
        UserError: ``known`` holds something else.
    """
    salts = sorted({salt for _, salt, _ in map(_parts, known)}) or [secrets.token_hex(8)]
    absent = [name for name in names if not is_listed(kind, name, known)]
    return tuple(sorted({f"{kind}-{salts[0]}-{_digest(kind, salts[0], name)}" for name in absent}))


def is_excluded(kind: Kind, names: pl.Series, listed: Sequence[str]) -> pl.Series:
    """Tell which names are listed.

    Args:
        kind: What the names are of.
        names: Speakers or utterances; nulls are not listed.
        listed: Entries.

    Returns:
        One boolean per name.

    Raises:
        UserError: ``listed`` holds something else than entries.
    """
    excluded = {name for name in names.drop_nulls().unique() if is_listed(kind, name, listed)}
    return pl.Series(names.name, [name in excluded for name in names], dtype=pl.Boolean)


def without_excluded(data: CorpusData, listed: Sequence[str]) -> CorpusData:
    """Leave out the utterances, votes, ratings, rejects and true distributions of what is listed.

    Args:
        data: A corpus as its loader read it.
        listed: Entries.

    Returns:
        The rest; where something was left out, with a note of how much.

    Raises:
        UserError: ``listed`` holds something else than entries.
    """
    if not listed:
        return data
    utterances = data.utterances
    is_out = is_excluded("utterance", utterances["utterance_id"], listed)
    if "speaker" in utterances.columns:
        is_out |= is_excluded("speaker", utterances["speaker"].cast(pl.String), listed)
    left_out = utterances.filter(is_out)["utterance_id"].drop_nulls()
    if not is_out.any():
        return data

    def rest(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(~pl.col("utterance_id").is_in(left_out.implode()).fill_null(value=False))

    note = f"{counted(int(is_out.sum()), 'utterance is', 'utterances are')} left out: they are listed in ingest.forgotten"
    return replace(
        data,
        utterances=utterances.filter(~is_out),
        votes=rest(data.votes),
        rejects=rest(data.rejects),
        truth=None if data.truth is None else rest(data.truth),
        ratings=None if data.ratings is None else rest(data.ratings),
        notes=(*data.notes, note),
    )


def is_listed(kind: Kind, name: str, listed: Sequence[str]) -> bool:
    """Tell whether a name is listed.

    Args:
        kind: What the name is of.
        name: A speaker or an utterance.
        listed: Entries.

    Raises:
        UserError: ``listed`` holds something else than entries.
    """
    salts = {salt for entry_kind, salt, _ in map(_parts, listed) if entry_kind == kind}
    return any(f"{kind}-{salt}-{_digest(kind, salt, name)}" in listed for salt in salts)


def _parts(entry: str) -> tuple[str, str, str]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise UserError(
            f"ingest.forgotten: found {entry!r}, expected entries that `ambivox forget` wrote, such as "
            "speaker-0123456789abcdef-0123456789abcdef0123456789abcdef"
        )
    return match["kind"], match["salt"], match["digest"]


def _digest(kind: Kind, salt: str, name: str) -> str:
    text = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hmac.digest(bytes.fromhex(salt), text, hashlib.sha256).hex()[:32]
