"""Required columns of a user's table: which are missing, what they are probably called, and the option that maps them."""

from __future__ import annotations

import difflib
import functools
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from ambivox.models.column_patterns import column_names
from ambivox.models.errors import UserError
from ambivox.models.ingestion.column_names import SYNONYMS


class MissingColumnsError(UserError):
    """A table, or columns of it, are not there; other names may be meant."""


class NoNamedTableError(MissingColumnsError):
    """No table has the name that needs no option."""


_OPTION_COLUMNS = {"utterance": "utterance_id", "annotator": "annotator_id"}
_ANSWERS = ("label", "weight")
#: Of missing names, such as those of thousands of raters: each is compared with every column.
MOST_SUGGESTIONS = 20
# Shares of two names' letters that are equal (difflib): between the two, a synonym comes first.
_SIMILAR, _VERY_SIMILAR = 0.6, 0.8
# What crowdsourcing platforms (MTurk, Toloka) write before what a worker said, and before what describes a clip or a
# worker, as a dictionary of Prodigy does, too.
_OF_ANSWERS = re.compile(r"^(Answer\.|OUTPUT:)")
_OF_INPUTS = re.compile(r"^(Input\.|INPUT:|ASSIGNMENT:|meta\.|metadata\.)")


def suggest_column(required: str, columns: Sequence[str], option: str | None = None) -> str | None:
    """Find the column that a required one is probably called.

    Args:
        required: The name that was expected.
        columns: The names to choose from.
        option: The option that maps the column, if any: its usual synonyms are tried, too.

    Returns:
        The most similar name, or None.

    Example:
        >>> suggest_column("audio", ["ID", "Wav file"]), suggest_column("label", ["lable", "x"])
        ('Wav file', 'lable')
    """
    return next(iter(suggest_columns([required], columns, option).values()), None)


def suggest_columns(
    required: Sequence[str], columns: Sequence[str], option: str | None = None
) -> dict[str, str]:
    """Find the columns that required ones are probably called, each by itself; see ``suggest_column``.

    Args:
        required: The names that were expected.
        columns: The names to choose from.
        option: The option that maps the columns, if any.

    Returns:
        Expected name -> the most similar name; those without one are left out.
    """
    column_words = {column: words(column) for column in columns}
    plain = {"".join(parts): column for column, parts in reversed(column_words.items()) if parts}
    by_word = {word: column for column, parts in reversed(column_words.items()) for word in parts}
    suggested = {name: _suggested(name, plain, by_word, option) for name in required}
    return {name: column for name, column in suggested.items() if column is not None}


def _suggested(
    required: str, plain: Mapping[str, str], by_word: Mapping[str, str], option: str | None
) -> str | None:
    name = "".join(words(required))
    if name in plain:
        return plain[name]
    close = next(iter(difflib.get_close_matches(name, plain, n=1, cutoff=_SIMILAR)), None)
    if close is not None and difflib.SequenceMatcher(None, close, name).ratio() >= _VERY_SIMILAR:
        return plain[close]
    role = required if option is None else _OPTION_COLUMNS.get(option, option)
    for synonym in SYNONYMS.get(role, ()):
        if synonym in plain or f"{synonym}id" in plain:
            return plain.get(synonym, plain.get(f"{synonym}id"))
    for synonym in SYNONYMS.get(role, ()):
        if synonym in by_word:
            return by_word[synonym]
    return None if close is None else plain[close]


def require_columns(
    path: Path, required: Sequence[str], columns: Sequence[str], options: Mapping[str, str] | None = None
) -> None:
    """Check that a table has the required columns.

    Args:
        path: The table, for the message.
        required: Columns that must be there.
        columns: The columns of the table.
        options: Per required column, the name of the option that maps it.

    Raises:
        MissingColumnsError: Columns are missing; the message names all of them, similar columns, and the options.
    """
    missing = list(dict.fromkeys(column for column in required if column not in columns))
    if not missing:
        return
    free = [column for column in columns if column not in required]
    hints = []
    for column in missing[:MOST_SUGGESTIONS]:
        option = (options or {}).get(column)
        several = [part.strip() for part in column.split(",")]
        if option == "label" and len(several) > 1 and set(several) <= set(columns):
            raters = shlex.quote(",".join(several))
            hints.append(
                f"a column per rater is read with --options.shape raters --options.raters {raters}, without --options.label"
            )
            continue
        (as_read,) = column_names([column])
        suggestion = as_read if as_read in free else suggest_column(column, free, option)
        if suggestion is not None:
            free.remove(suggestion)
            mapping = f" (--options.{option} {shlex.quote(suggestion)})" if option else ""
            hints.append(f"for {column!r} did you mean {suggestion!r}{mapping}?")
        elif option:
            hints.append(f"name the column for {column!r} with --options.{option} COLUMN")
    raise MissingColumnsError(
        "; ".join([f"{path}: columns {missing} are missing, found {list(columns)}", *hints])
    )


@functools.lru_cache(maxsize=2**13)  # every question about a table asks for the words of all its columns
def words(name: str) -> tuple[str, ...]:
    """Split a column's name into lower-case words: ``Input.audio_url`` and ``WorkerId`` have several.

    Args:
        name: The column's name.

    Returns:
        Its words.

    Example:
        >>> words("segmentStart_ms")
        ('segment', 'start', 'ms')
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFC", name))
    return tuple(re.findall(r"[^\W_]+", spaced.lower()))


def named_columns(option: str, columns: Sequence[str]) -> list[str]:
    """List the columns whose names say that they hold something.

    Args:
        option: What: an option that names a column, such as ``annotator``.
        columns: The names to choose from.

    Returns:
        First the columns that are called so, then those with such a word in their names.

    Example:
        >>> named_columns("audio", ["id", "Input.audio_url", "wav"])
        ['wav', 'Input.audio_url']
    """
    exact = all_named(option, columns)
    synonyms = SYNONYMS.get(_OPTION_COLUMNS.get(option, option), (option,))
    column_words = [(column, words(column)) for column in columns]
    partly = [column for synonym in synonyms for column, parts in column_words if synonym in parts]
    return list(dict.fromkeys([*exact, *partly]))


def best_named(option: str, columns: Sequence[str]) -> str | None:
    """Find the one column that is called like an option or a synonym of it.

    Args:
        option: An option that names a column, such as ``speaker``.
        columns: The names to choose from.

    Returns:
        The column; None where there is none.

    Example:
        >>> best_named("speaker", ["Actor ID", "clip"]), best_named("speaker", ["loudspeaker"])
        ('Actor ID', None)
    """
    return next(iter(all_named(option, columns)), None)


def all_named(option: str, columns: Sequence[str]) -> list[str]:
    """List the columns that are called like an option or a synonym, with or without ``id`` or ``name``; the best first.

    Args:
        option: An option that names a column, such as ``speaker``.
        columns: The names to choose from.
    """
    canonical = _OPTION_COLUMNS.get(option, option)
    names = ["".join(words(canonical)), *SYNONYMS.get(canonical, (option,))]
    prefix = _OF_ANSWERS if canonical in _ANSWERS else _OF_INPUTS
    ranks: dict[str, int] = {}
    for rank, name in enumerate(names):
        for text in (name, f"{name}id", f"{name}name", f"{name}s"):
            ranks.setdefault(text, rank)
    plain = {column: "".join(words(prefix.sub("", column))) for column in columns}
    return sorted(
        (column for column, text in plain.items() if text in ranks), key=lambda column: ranks[plain[column]]
    )
