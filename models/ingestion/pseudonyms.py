"""Pseudonyms of speakers and annotators: keyed hashes, so that the tables hold no name of a person.

Whoever has the key can find the pseudonym of a name; without it, names cannot be tested. Utterance ids and paths of
recordings stay as they are: where they contain names, rename the recordings.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.ingestion.corpus import CorpusData
from ambivox.models.temporary_files import temporary_file

_KEY_BYTES = 32
_DIGITS = 16


def read_key(path: Path, *, create: bool = False) -> bytes:
    """Read a project's key.

    Args:
        path: The file, which belongs outside version control.
        create: Make a new key where there is none, readable by this user only.

    Returns:
        32 bytes.

    Raises:
        UserError: There is no such file, or it holds no key.
    """
    if create and not path.exists():
        temporary = temporary_file(path)  # readable by this user only
        temporary.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
        try:
            # Of two processes that make a key at once, both use the first.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; expected the key that pseudonyms are made with") from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as a key ({error_text(error)}); restore it from a backup"
        ) from error
    if len(key) != _KEY_BYTES:
        raise UserError(
            f"{path}: found a key of {len(key)} bytes, expected {_KEY_BYTES}; restore it from a backup"
        )
    return key


def pseudonym(name: str, prefix: str, key: bytes) -> str:
    """The pseudonym of a name.

    Args:
        name: A speaker's or annotator's name.
        prefix: What it is of: "speaker" or "rater". A person who is both has two pseudonyms.
        key: The project's key.

    Returns:
        ``prefix-`` and 16 hexadecimal digits.

    Example:
        >>> pseudonym("anna", "rater", bytes(32))
        'rater-14abc8447da77f06'
    """
    text = f"{prefix}\0{name}".encode("utf-8", "surrogatepass")
    return f"{prefix}-{hmac.digest(key, text, hashlib.sha256).hex()[:_DIGITS]}"


def with_pseudonyms(data: CorpusData, key: bytes) -> CorpusData:
    """Replace the names of speakers and annotators in a corpus.

    Args:
        data: A corpus as its loader read it.
        key: The project's key.

    Returns:
        The corpus with pseudonyms.
    """
    utterances = data.utterances
    speakers = utterances["speaker"] if "speaker" in utterances.columns else pl.Series(dtype=pl.String)
    if "speaker" in utterances.columns:
        utterances = _replaced(utterances, "speaker", "speaker", key)
    names = {name: pseudonym(name, "speaker", key) for name in speakers.cast(pl.String).drop_nulls().unique()}
    voters = data.votes["annotator_id"].cast(pl.String).drop_nulls().unique()
    names |= {name: pseudonym(name, "rater", key) for name in voters}
    return replace(
        data,
        utterances=utterances,
        notes=tuple(_without_names(note, names) for note in data.notes),
        votes=annotators_with_pseudonyms(data.votes, key),
        ratings=None if data.ratings is None else annotators_with_pseudonyms(data.ratings, key),
    )


def raters(data: CorpusData) -> frozenset[str]:
    """The names of everybody who voted on a corpus or rated it.

    Args:
        data: A corpus as its loader read it.

    Returns:
        The names.
    """
    tables = (data.votes, *(() if data.ratings is None else (data.ratings,)))
    return frozenset(name for table in tables for name in table["annotator_id"].cast(pl.String).drop_nulls())


def annotators_with_pseudonyms(
    votes: pl.DataFrame, key: bytes, corpus_raters: Iterable[str] = ()
) -> pl.DataFrame:
    """Replace the names of annotators in a table of votes or ratings.

    Args:
        votes: A table with the column ``annotator_id``.
        key: The project's key.
        corpus_raters: Names of annotators of the corpus. Pseudonyms of these, or of other annotators in the table, are
            no names and stay: votes that were exported with pseudonyms come back under them.

    Returns:
        The table with pseudonyms.
    """
    names = {*corpus_raters, *votes["annotator_id"].cast(pl.String).drop_nulls()}
    made = frozenset(pseudonym(name, "rater", key) for name in names)
    replaced = _replaced(votes, "annotator_id", "rater", key, made)
    # Somebody whose vote is there under the name and under the pseudonym gave the latter later.
    is_made = votes["annotator_id"].is_in(list(made)).fill_null(value=False)
    pair = ["utterance_id", "annotator_id"]
    numbered = replaced.with_row_index("_row").with_columns(_made=is_made)
    twice = numbered.filter(~pl.col("_made")).join(numbered.filter("_made"), on=pair, how="semi")
    return replaced if not twice.height else numbered.join(twice, on="_row", how="anti").drop("_row", "_made")


def _without_names(note: str, pseudonyms: Mapping[str, str]) -> str:
    """A note in which whole words that are names are replaced; numbers are not, which say more than who somebody is."""
    words = (re.escape(name) for name in pseudonyms if len(name) > 1 and any(map(str.isalpha, name)))
    pattern = "|".join(sorted(words, key=len, reverse=True))
    if not pattern:
        return note
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda match: pseudonyms[match[0]], note)


def _replaced(
    frame: pl.DataFrame, column: str, prefix: str, key: bytes, made: Collection[str] = ()
) -> pl.DataFrame:
    names = frame[column].cast(pl.String)
    pseudonyms = {
        name: name if name in made else pseudonym(name, prefix, key) for name in names.drop_nulls().unique()
    }
    replaced = [None if name is None else pseudonyms[name] for name in names]
    return frame.with_columns(pl.Series(column, replaced, dtype=pl.String))
