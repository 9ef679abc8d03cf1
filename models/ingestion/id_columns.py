"""Which columns of two tables, of utterances and of votes, hold the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from ambivox.models.ingestion.column_content import distinct_texts, overlap, plain_names
from ambivox.models.ingestion.nested import as_text

_LEAST_OVERLAP = 0.5  # of the votes' ids: the share that must be ids of utterances
_FOR_EQUAL_NAMES = 0.2
_IN_DOUBT = 1 / 3  # of the best score


class SharedIds(NamedTuple):
    """A pair of columns with the same ids.

    Attributes:
        of_utterances: The column in the table of utterances.
        of_votes: The column in the table of votes.
        others: Further columns of the votes that fit nearly as well, so that the user should choose.
    """

    of_utterances: str
    of_votes: str
    others: tuple[str, ...]


class _Pair(NamedTuple):
    score: float
    of_utterances: str
    of_votes: str


def find_shared_ids(
    utterances: pl.DataFrame, candidates: Sequence[str], votes: pl.DataFrame, keys: Sequence[str]
) -> SharedIds | None:
    """Find the columns of both tables with the same ids.

    A pair's score is the share of the votes' ids that are ids of utterances, times the share of the utterances that have
    votes: small numbers, such as an intensity from 1 to 5, are among numbered utterances, too.

    Args:
        utterances: The table of utterances.
        candidates: Its columns that may hold ids, the likeliest first.
        votes: The table of votes.
        keys: Its columns that may hold ids.

    Returns:
        The pair with the best score; None where no pair shares half of the votes' ids.

    Example:
        >>> clips = pl.DataFrame({"clip": [1, 2, 3]})
        >>> votes = pl.DataFrame({"intensity": [1, 2, 1, 2], "number": [1, 2, 3, 1]})
        >>> find_shared_ids(clips, ["clip"], votes, votes.columns).of_votes
        'number'
    """
    pairs = []
    names_of_key = {key: distinct_texts(votes[key]) for key in keys}
    for is_plain in (False, True):
        if is_plain:
            names_of_key = {key: plain_names(names) for key, names in names_of_key.items()}
        for candidate in candidates:
            names = distinct_texts(utterances[candidate])
            names = plain_names(names) if is_plain else names
            pairs += [
                _Pair(score + _FOR_EQUAL_NAMES * (key == candidate), candidate, key)
                for key in keys
                if (score := _score(names, names_of_key[key])) > 0
            ]
    if not pairs:
        return None
    best = max(pairs, key=lambda pair: pair.score)  # of equal ones the first
    rivals = (pair.of_votes for pair in pairs if pair.score > best.score * _IN_DOUBT)
    others = {key for key in rivals if key != best.of_votes and _is_number(votes[key])}
    is_clear = not _is_number(votes[best.of_votes])
    return SharedIds(*best[1:], () if is_clear else tuple(sorted(others)))


def _score(of_utterances: pl.Series, of_votes: pl.Series) -> float:
    shared = overlap(of_utterances, of_votes)
    return shared * overlap(of_votes, of_utterances) if shared >= _LEAST_OVERLAP else 0.0


def _is_number(values: pl.Series) -> bool:
    return bool(as_text(values).drop_nulls().str.contains(r"^\s*\d+(\.0)?\s*$").all())
