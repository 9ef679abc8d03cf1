"""Label sets and what can be done to them: the words used in every corpus, merging, dropping, renaming.

A schema file is TOML or JSON. Every label of the corpus is named once, so that nothing is dropped by an
oversight:

    drop = ["other"]
    [labels]                                # new label = labels of the corpus, in the order of the new set
    anger = ["anger", "frustration"]
    happiness = ["happiness", "excitement"]
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError

# The words for emotions that corpora share. A corpus may add its own where none of these fits.
WORDS = (
    "anger",
    "contempt",
    "disgust",
    "excitement",
    "fear",
    "frustration",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "other",
)
# The paper's four (section 1 of arXiv 2601.14620): IEMOCAP's excited counts as happy.
FOUR = {
    "anger": ("anger",),
    "happiness": ("happiness", "excitement"),
    "neutral": ("neutral",),
    "sadness": ("sadness",),
}


@dataclass(frozen=True)
class Schema:
    """Which new label each label of the corpus becomes (None: dropped), and the new set in order."""

    labels: tuple[str, ...]
    becomes: dict[str, str | None]

    def votes(self, votes: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """Map the votes; where an annotator's labels are dropped in part, the others share the one vote.

        Returns:
            The votes, one row an utterance, annotator and label, and how many rows were dropped per old
            label.
        """
        dropped = {old for old, new in self.becomes.items() if new is None}
        lost = votes.filter(pl.col("label").is_in(dropped)).group_by("label").len().sort("label")
        if not dropped and all(old == new for old, new in self.becomes.items()):
            return votes, {}
        new = pl.col("label").replace_strict(
            {old: to for old, to in self.becomes.items() if to is not None}, default=None
        )
        kept = votes.with_columns(new.cast(pl.String).alias("label")).filter(pl.col("label").is_not_null())
        fixed = [
            column for column in ("utterance_id", "annotator_id", "annotator_kind") if column in kept.columns
        ]
        merged = kept.group_by(*fixed, "label", maintain_order=True).agg(pl.col("weight").sum())
        return share_votes(merged), dict(lost.iter_rows())

    def distributions(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Map columns of probabilities, renormalised over what is left.

        Returns:
            ``utterance_id`` and the new columns, and how many rows had nothing left and are gone.
        """
        sums = [
            pl.sum_horizontal(old for old, new in self.becomes.items() if new == label).alias(label)
            for label in self.labels
        ]
        mapped = frame.select("utterance_id", *sums)
        total = pl.sum_horizontal(self.labels)
        kept = mapped.filter(total > 0).with_columns(pl.col(label) / total for label in self.labels)
        return kept, mapped.height - kept.height


def share_votes(votes: pl.DataFrame) -> pl.DataFrame:
    """Scale ``weight`` so that each annotator's labels for an utterance sum to one vote."""
    total = pl.col("weight").sum().over("utterance_id", "annotator_id")
    return votes.with_columns((pl.col("weight") / total).alias("weight"))


def schema(name: str, labels: tuple[str, ...]) -> Schema:
    """The schema ``full`` or ``four``, or the one in the file ``name``, for a corpus with these labels.

    Raises:
        UserError: the file cannot be read, names a label the corpus has not, one twice, or leaves one out.
    """
    if name == "full":
        return Schema(labels, {label: label for label in labels})
    if name == "four":
        missing = [label for label in FOUR if label not in labels]
        if missing:
            raise UserError(f"schema four: the corpus has no label {missing}; it has {', '.join(labels)}")
        becomes: dict[str, str | None] = dict.fromkeys(labels)
        becomes |= {old: new for new, olds in FOUR.items() for old in olds if old in labels}
        return Schema(tuple(FOUR), becomes)
    return _from_file(Path(name), labels)


def _from_file(path: Path, labels: tuple[str, ...]) -> Schema:
    found = _read(path)
    drop, groups = found.get("drop", []), found.get("labels", {})
    strange = sorted(set(found) - {"drop", "labels"})
    if strange or not isinstance(drop, list) or not isinstance(groups, dict) or not groups:
        raise UserError(
            f"{path}: expected a table 'labels' (new = list of old) and a list 'drop', found {sorted(found)}"
        )
    becomes: dict[str, str | None] = {}
    for new, olds in [*groups.items(), (None, drop)]:
        if not isinstance(olds, list) or not all(isinstance(old, str) for old in olds):
            raise UserError(f"{path}: label {new!r} wants a list of labels of the corpus, found {olds!r}")
        for old in olds:
            if old not in labels:
                raise UserError(f"{path}: the corpus has no label {old!r}; it has {', '.join(labels)}")
            if old in becomes:
                raise UserError(f"{path}: label {old!r} is named twice")
            becomes[old] = new
    left_out = [label for label in labels if label not in becomes]
    if left_out:
        raise UserError(
            f"{path}: labels {left_out} are neither mapped nor dropped; name them under labels or in drop"
        )
    return Schema(tuple(groups), becomes)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(
            f"unknown schema {str(path)!r}; known: full, four, or a file (TOML or JSON) that exists"
        )
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path}: not a readable schema file: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: a schema file holds a table, found a {type(found).__name__}")
    return found
