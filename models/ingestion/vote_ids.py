"""Votes as people write them: ids without folder or suffix, and several labels in one cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.cleaning import plain_text
from ambivox.models.ingestion.emotion_words import common_label, label_parts
from ambivox.models.ingestion.recordings import plain_name


def match_ids(votes: pl.DataFrame, utterance_ids: pl.Series) -> tuple[pl.DataFrame, list[str]]:
    """Give votes the ids of the utterances, where their ids lack the folder or the suffix of an audio path.

    Args:
        votes: Votes with ``utterance_id``.
        utterance_ids: The ids of the utterances.

    Returns:
        The votes, and a note where ids changed. Ids that fit no utterance, or several, stay.
    """
    known = set(utterance_ids.drop_nulls())
    names = Counter(map(plain_name, known))
    by_name = {plain_name(name): name for name in known if names[plain_name(name)] == 1}
    given = votes["utterance_id"].drop_nulls().unique().sort()
    changed = {
        name: by_name[plain_name(name)]
        for name in given
        # 101.0 for 101 is a number, which is restored elsewhere.
        if not {name, name.removesuffix(".0")} & known and plain_name(name) in by_name
    }
    # Two ids of votes that mean one utterance are left as they are: they may be ids of something else.
    targets = Counter(changed.values())
    changed = {
        name: target for name, target in changed.items() if targets[target] == 1 and target not in set(given)
    }
    if not changed:
        return votes, []
    first = next(iter(changed))
    note = f"{len(changed)} utterance ids of votes are those of recordings, such as {first!r}: {changed[first]!r}"
    return votes.with_columns(pl.col("utterance_id").replace(changed)), [note]


def split_labels(votes: pl.DataFrame, labels: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Split cells in which an annotator gives several labels, such as ``anger; fear``.

    A cell is split if its parts are labels: each stands alone in another vote or is one of ``labels``, or one does and the
    others are words for emotions.

    Args:
        votes: One row per vote, with ``label`` and ``annotator_id``.
        labels: The labels that the user gave, if any.

    Returns:
        One row per label, and notes on cells that were split, and on those that may hold several labels and were not.
    """
    given = votes["label"].drop_nulls().unique().sort()
    alone = {plain_text(cell).casefold() for cell in [*given, *labels] if not _is_several(cell)}
    parts = {cell: label_parts(cell) for cell in given if cell not in labels and _is_several(cell)}
    several = {
        cell: found
        for cell, found in parts.items()
        if _are_labels(found, alone, is_closed=bool(labels) or not _is_listed(cell))
    }
    # Anger/Irritation, with nobody's anger beside it, is the name of a class.
    unclear = [
        cell
        for cell in parts
        if cell not in several and any(part.casefold() in alone for part in parts[cell])
    ]
    notes = []
    if unclear:
        number = votes["label"].is_in(unclear).sum()
        notes.append(
            f"{counted(float(number), 'vote has', 'votes have')} a label that may be several, such as {unclear[0]!r}: it is read "
            "as one, because not all of its parts are labels"
        )
    if not several:
        return votes, notes
    listed = {cell: [cell] for cell in given} | several
    schema = pl.DataFrame(
        {"label": list(listed), "several": list(listed.values())},
        schema={"label": pl.String, "several": pl.List(pl.String)},
    )
    number = votes["label"].is_in(list(several)).sum()
    split = votes.join(schema, on="label", how="left", maintain_order="left").with_columns(label="several")
    notes.append(
        f"{counted(float(number), 'vote has', 'votes have')} several labels, such as {min(several)!r}: they share the annotator's vote equally"
    )
    return split.drop("several").explode("label"), notes


def repeated_votes(votes: pl.DataFrame) -> list[str]:
    """Say that annotators have different labels for one utterance in several rows: they may be rounds, or corrections.

    Args:
        votes: One row per label, with ``annotator_id`` and ``line``.

    Returns:
        One note, or none.
    """
    pairs = votes.drop_nulls(["utterance_id", "annotator_id", "label"]).group_by(
        "utterance_id", "annotator_id"
    )
    repeated = pairs.agg(pl.col("line", "label").n_unique(), pl.col("line").min().alias("first"))
    repeated = repeated.filter((pl.col("line") > 1) & (pl.col("label") > 1)).sort("first", "annotator_id")
    if not repeated.height:
        return []
    utterance, annotator = repeated.row(0)[:2]
    return [
        f"{counted(repeated.height, 'vote is', 'votes are')} shared by different labels in several rows of one annotator, such as "
        f"{annotator!r} on {utterance!r}: dates are not read, so remove rows that are corrected by others, of another round, or "
        "deleted"
    ]


def _is_listed(cell: str) -> bool:
    """Whether a cell is written as a list: neutral/other and calm and content may be names of classes."""
    return not {"/", "／"} & set(cell) and any(letter in cell for letter in ";|,+&\n、，；")


def _is_several(cell: str) -> bool:
    """Whether a cell holds more than a label, or one several times."""
    return label_parts(cell) not in ([], [" ".join(cell.split())])


def _are_labels(parts: Sequence[str], alone: Collection[str], *, is_closed: bool) -> bool:
    known = [part.casefold() in alone for part in parts]
    if all(known) or is_closed:
        return all(known)
    return any(known) and all(
        is_known or common_label(part) is not None for part, is_known in zip(parts, known, strict=True)
    )
