"""Values that spreadsheets and typing changed: spellings of a label, words for nothing, and whole numbers as 101.0.

Every change comes with a note for the user that counts it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

import polars as pl

from ambivox.models.counted import counted

_NOTHING = (
    "", "nan", "n/a", "n.a.", "na", "<na>", "none", "null", "(blank)", "-", "--", "?", "k.a.", "k. a.", "keine angabe",
    # Errors of spreadsheet programs, in English and German.
    "#n/a", "#nv", "#value!", "#wert!", "#ref!", "#bezug!", "#name?", "#div/0!", "#null!", "#num!", "#zahl!",
)  # fmt: skip

_OLDEST = 130  # years
_FEW = 100


def clean_utterances(utterances: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Undo what spreadsheets do to ids and speakers, and read ages; the notes count every change.

    Args:
        utterances: Text columns ``utterance_id`` and, where known, ``speaker`` and ``age``.

    Returns:
        The utterances, with ages in years, and the notes.
    """
    ids, notes = restore_whole_numbers(utterances["utterance_id"], "utterance ids")
    utterances = utterances.with_columns(ids)
    if "speaker" in utterances.columns:
        speakers, speaker_notes = clear_nothing(utterances["speaker"], "speakers")
        speakers, number_notes = restore_whole_numbers(speakers, "speakers")
        speakers, name_notes = fold_names(speakers, "speakers")
        speakers = speakers.set(speakers.str.to_lowercase() == "unknown", None)
        utterances = utterances.with_columns(speakers)
        notes += speaker_notes + number_notes + name_notes
    for column in ("sex", "language"):
        if column in utterances.columns:
            cleared, _ = clear_nothing(utterances[column], column)
            folded, case_notes = fold_labels(cleared)
            utterances = utterances.with_columns(folded)
            notes += [f"{column}: {note}" for note in case_notes]
    if "age" in utterances.columns:
        ages, age_notes = clear_nothing(utterances["age"], "ages")
        numbers = ages.cast(pl.Float64, strict=False)
        unreadable = ages.filter(ages.is_not_null() & numbers.is_null())
        utterances = utterances.with_columns(numbers)
        notes += age_notes
        odd = numbers.filter((numbers < 0) | (numbers > _OLDEST))
        if len(odd):
            utterances = utterances.with_columns(
                pl.when(pl.col("age").is_between(0, _OLDEST)).then("age").alias("age")
            )
            notes.append(
                f"{counted(len(odd), 'age is', 'ages are')} not from 0 to {_OLDEST} and count as missing, such as {odd[0]:g}"
            )
        if len(unreadable):
            notes.append(
                f"{counted(len(unreadable), 'age is no number and counts', 'ages are no numbers and count')} as missing, such as {unreadable[0]!r}"
            )
    return utterances, notes


def clean_votes(
    votes: pl.DataFrame, labels: tuple[str, ...], utterance_ids: pl.Series
) -> tuple[pl.DataFrame, list[str]]:
    """Undo what spreadsheets and typing do to ids, labels and annotators; the notes count every change.

    Args:
        votes: Text columns ``utterance_id``, ``label`` and, where known, ``annotator_id``.
        labels: The labels that the user gave, if any.
        utterance_ids: The ids of the utterances.

    Returns:
        The votes and the notes.
    """
    ids, notes = restore_whole_numbers(votes["utterance_id"], "utterance ids of votes", utterance_ids)
    cleared, nothing_notes = clear_nothing(votes["label"], "labels", labels)
    folded, case_notes = fold_labels(cleared, labels)
    votes = votes.with_columns(ids, folded)
    notes += nothing_notes + case_notes
    if "annotator_id" in votes.columns:
        annotators, annotator_notes = clear_nothing(votes["annotator_id"], "annotators")
        annotators, number_notes = restore_whole_numbers(annotators, "annotators")
        annotators, name_notes = fold_names(annotators, "annotators")
        votes = votes.with_columns(annotators)
        notes += annotator_notes + number_notes + name_notes
    return votes, notes


def holds_text(values: pl.Series) -> bool:
    """Whether a column has text in any row; of the thousands of empty columns that a table may have, nothing more is asked.

    Args:
        values: The column.
    """
    return values.dtype == pl.String and values.null_count() < len(values)


def clear_nothing(values: pl.Series, what: str, keep: Collection[str] = ()) -> tuple[pl.Series, list[str]]:
    """Replace the usual words for nothing (nan, n/a, none, null, -, ? and so on), and errors of spreadsheet programs, with null.

    Args:
        values: Text.
        what: What the values are, in the plural, for the note.
        keep: Words that mean something here.

    Returns:
        The values, and a note where there are such words.

    Example:
        >>> cleared, notes = clear_nothing(pl.Series(["anger", "N/A"]), "labels")
        >>> cleared.to_list(), notes
        (['anger', None], ["labels 'N/A' count as missing in 1 row"])
    """
    # Most columns are asked about a few distinct values, which Polars takes longer for.
    if len(values) <= _FEW and not any(text.strip().lower() in _NOTHING for text in values if text):
        return values, []
    text = pl.col("value")
    means_nothing = text.str.strip_chars().str.to_lowercase().is_in(_NOTHING)
    if keep:
        means_nothing &= ~text.is_in(list(keep))
    is_nothing = values.to_frame("value").select(means_nothing.fill_null(value=False)).to_series()
    if not is_nothing.any():
        return values, []
    words = ", ".join(repr(word) for word in values.filter(is_nothing).unique().sort())
    cleared = values.to_frame("value").select(pl.when(~is_nothing).then("value")).to_series()
    return cleared.alias(values.name), [
        f"{what} {words} count as missing in {counted(float(is_nothing.sum()), 'row')}"
    ]


def fold_labels(labels: pl.Series, known: Sequence[str] = ()) -> tuple[pl.Series, list[str]]:
    """Give labels that differ only by case, blanks, or marks that cannot be seen one spelling.

    Args:
        labels: The label of every vote.
        known: The spellings that the user gave; for other labels the most frequent spelling is kept.

    Returns:
        The labels, and a note where spellings changed.

    Example:
        >>> folded, notes = fold_labels(pl.Series(["joy", "Joy", "joy", "fear"]))
        >>> folded.to_list(), notes
        (['joy', 'joy', 'joy', 'fear'], ['1 label differs from another one only by case or blanks: Joy counts as joy'])
    """
    counts: dict[str, int] = dict(labels.drop_nulls().value_counts().iter_rows())
    canonical: dict[str, str] = {}
    changed: dict[str, str] = {}
    for spelling in [*known, *sorted(counts, key=lambda label: (-counts[label], label.swapcase()))]:
        written = plain_text(spelling)
        target = canonical.setdefault(written.casefold(), written)
        if target != spelling and spelling not in known:
            changed[spelling] = target
    if not changed:
        return labels, []
    number = sum(counts[spelling] for spelling in changed)
    pairs = ", ".join(f"{spelling} counts as {target}" for spelling, target in sorted(changed.items()))
    note = f"{counted(number, 'label differs', 'labels differ')} from another one only by case or blanks: {pairs}"
    return labels.replace(changed), [note]


def plain_text(text: str) -> str:
    """A text in composed letters (NFC), without marks that cannot be seen, and with single blanks between words.

    Args:
        text: A label or a name.

    Example:
        >>> plain_text("A\u0308rger\u200b "), plain_text("very\u00a0 sad")
        ('Ärger', 'very sad')
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(letter for letter in composed if unicodedata.category(letter) != "Cf").split())


def fold_names(names: pl.Series, what: str) -> tuple[pl.Series, list[str]]:
    """Write names of people alike where they differ only by blanks and marks that cannot be seen; note those that differ by case.

    Args:
        names: A name per row.
        what: What the names are, in the plural, for the note.

    Returns:
        The names, and a note on names that differ only by case: they stay different.

    Example:
        >>> folded, notes = fold_names(pl.Series(["Kim", "kim ", "lou"]), "annotators")
        >>> folded.to_list(), notes
        (['Kim', 'kim', 'lou'], ["annotators that differ only by case count as different, such as 'Kim' and 'kim'"])
    """
    distinct = names.drop_nulls().unique().sort()
    changed = {name: plain for name in distinct if (plain := plain_text(name)) != name and plain}
    spellings: dict[str, str] = {}
    for name in sorted({changed.get(name, name) for name in distinct}):
        first = spellings.setdefault(name.casefold(), name)
        if first != name:
            note = f"{what} that differ only by case count as different, such as {first!r} and {name!r}"
            return names.replace(changed), [note]
    return names.replace(changed) if changed else names, []


def restore_whole_numbers(
    ids: pl.Series, what: str, known: pl.Series | None = None
) -> tuple[pl.Series, list[str]]:
    """Turn ids that a program read as floats (101.0) into whole numbers again, if all ids are whole numbers.

    Args:
        ids: The ids as text. Ids with leading zeros are text and stay.
        what: What the ids are, in the plural, for the note.
        known: Ids that exist as they are.

    Returns:
        The ids, and a note where they changed.

    Example:
        >>> restored, notes = restore_whole_numbers(pl.Series(["101.0", "7.0", None]), "speakers")
        >>> restored.to_list(), notes
        (['101', '7', None], ["speakers such as '101.0' are read as whole numbers in 2 rows: '101'"])
    """
    is_float = ids.str.contains(r"^(0|[1-9]\d*)\.0$")
    if known is not None:
        is_float &= ~ids.is_in(known.implode())
    if not is_float.any() or not ids.str.contains(r"^\d+(\.0)?$").all():
        return ids, []
    restored = ids.to_frame("id").select(
        pl.when(is_float).then(pl.col("id").str.strip_suffix(".0")).otherwise("id")
    )
    first = ids.filter(is_float)[0]
    note = f"{what} such as {first!r} are read as whole numbers in {counted(float(is_float.sum()), 'row')}: {first.removesuffix('.0')!r}"
    return restored.to_series().alias(ids.name), [note]
