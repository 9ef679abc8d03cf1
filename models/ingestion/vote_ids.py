"""Votes as people write them: ids without folder or suffix, and several labels in one cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.recordings import plain_name

_SEPARATORS = (";", "|", ",", "/", "+", "&")


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

    A cell is split only if every part of every such cell is also the only label of another vote, or one of ``labels``.

    Args:
        votes: One row per vote, with ``label`` and ``annotator_id``.
        labels: The labels that the user gave, if any.

    Returns:
        One row per label, and a note where cells were split.
    """
    given = votes["label"].drop_nulls().unique()
    for separator in _SEPARATORS:
        several = [cell for cell in given if separator in cell and cell not in labels]
        single = {cell.strip().casefold() for cell in [*given, *labels] if separator not in cell}
        parts = {cell: _parts(cell, separator) for cell in several}
        if several and all(part.casefold() in single for found in parts.values() for part in found):
            break
    else:
        return votes, []
    listed = {cell: [cell] for cell in given} | parts
    schema = pl.DataFrame(
        {"label": list(listed), "several": list(listed.values())},
        schema={"label": pl.String, "several": pl.List(pl.String)},
    )
    number = votes["label"].is_in(several).sum()
    split = votes.join(schema, on="label", how="left", maintain_order="left").with_columns(label="several")
    note = f"{counted(float(number), 'vote has', 'votes have')} several labels, such as {min(several)!r}: they share the annotator's vote equally"
    return split.drop("several").explode("label"), [note]


def _parts(cell: str, separator: str) -> list[str]:
    """The distinct labels of a cell, whatever their case."""
    parts = {part.strip().casefold(): part.strip() for part in cell.split(separator) if part.strip()}
    return list(parts.values())
