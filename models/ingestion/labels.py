"""Label sets and label schemas: the names used in every corpus, and merging, dropping and renaming labels.

A schema file is TOML or JSON. Every label of the corpus must be named once, so that no label is dropped by
accident:

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
from ambivox.models.file_errors import error_text
from ambivox.models.regular_files import read_text

# The names of emotions that corpora share. A corpus may add its own where none of these fits.
COMMON_LABELS = (
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
# The four labels of the paper (arXiv 2601.14620, section 1), in which IEMOCAP's excitement counts as happiness.
FOUR = {
    "anger": ("anger",),
    "happiness": ("happiness", "excitement"),
    "neutral": ("neutral",),
    "sadness": ("sadness",),
}


@dataclass(frozen=True)
class LabelSchema:
    """A mapping from a corpus's labels to a new label set.

    Attributes:
        labels: The new label set, in order.
        mapping: Label of the corpus -> new label; None drops it.
    """

    labels: tuple[str, ...]
    mapping: dict[str, str | None]

    def map_votes(self, votes: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """Map the labels of votes; where some of an annotator's labels are dropped, the others share the vote.

        Args:
            votes: ``utterance_id``, ``annotator_id``, ``label`` and ``weight``.

        Returns:
            The votes, one row per utterance, annotator and label, and the number of dropped rows per label of the
            corpus.
        """
        dropped = {old for old, new in self.mapping.items() if new is None}
        counts = votes.filter(pl.col("label").is_in(dropped)).group_by("label").len().sort("label")
        if not dropped and all(old == new for old, new in self.mapping.items()):
            return votes, {}
        new_label = pl.col("label").replace_strict(
            {old: new for old, new in self.mapping.items() if new is not None}, default=None
        )
        kept = votes.with_columns(new_label.cast(pl.String).alias("label")).filter(
            pl.col("label").is_not_null()
        )
        key_columns = [
            column for column in ("utterance_id", "annotator_id", "annotator_kind") if column in kept.columns
        ]
        merged = kept.group_by(*key_columns, "label", maintain_order=True).agg(pl.col("weight").sum())
        return normalise_weights(merged), dict(counts.iter_rows())

    def map_distributions(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Map columns of probabilities, and renormalise what is left.

        Args:
            frame: ``utterance_id`` and one column per label of the corpus.

        Returns:
            ``utterance_id`` and one column per new label, and the number of rows that were removed because all
            their probability is on dropped labels.
        """
        sums = [
            pl.sum_horizontal(old for old, new in self.mapping.items() if new == label).alias(label)
            for label in self.labels
        ]
        mapped = frame.select("utterance_id", *sums)
        total = pl.sum_horizontal(self.labels)
        kept = mapped.filter(total > 0).with_columns(pl.col(label) / total for label in self.labels)
        return kept, mapped.height - kept.height


def normalise_weights(votes: pl.DataFrame) -> pl.DataFrame:
    """Scale weights so that each annotator's labels for an utterance sum to one vote.

    Args:
        votes: ``utterance_id``, ``annotator_id``, ``weight`` (positive) and further columns.

    Returns:
        The votes, with ``weight`` scaled.
    """
    total = pl.col("weight").sum().over("utterance_id", "annotator_id")
    return votes.with_columns((pl.col("weight") / total).alias("weight"))


def label_schema(name: str, labels: tuple[str, ...]) -> LabelSchema:
    """Make the schema for a corpus.

    Args:
        name: ``full`` (all labels unchanged), ``four`` (the paper's), or the path of a TOML or JSON file.
        labels: The labels of the corpus.

    Returns:
        The schema.

    Raises:
        UserError: The file cannot be read, names an unknown label, names a label twice, or leaves one out.
    """
    if name == "full":
        return LabelSchema(labels, {label: label for label in labels})
    if name == "four":
        missing = [label for label in FOUR if label not in labels]
        if missing:
            raise UserError(f"schema four: the corpus has no label {missing}; it has {', '.join(labels)}")
        mapping: dict[str, str | None] = dict.fromkeys(labels)
        mapping |= {old: new for new, olds in FOUR.items() for old in olds if old in labels}
        return LabelSchema(tuple(FOUR), mapping)
    return _schema_from_file(Path(name), labels)


def _schema_from_file(path: Path, labels: tuple[str, ...]) -> LabelSchema:
    content = _read(path)
    drop, groups = content.get("drop", []), content.get("labels", {})
    unknown_keys = set(content) - {"drop", "labels"}
    if unknown_keys or not isinstance(drop, list) or not isinstance(groups, dict) or not groups:
        raise UserError(
            f"{path}: expected a table 'labels' (new = list of old) and a list 'drop', found {sorted(content)}"
        )
    mapping: dict[str, str | None] = {}
    if empty := [new for new, olds in groups.items() if not new.strip() or olds == []]:
        raise UserError(f"{path}: label {empty[0]!r} needs a name and at least one label of the corpus")
    for new, olds in [*groups.items(), (None, drop)]:
        if not isinstance(olds, list) or not all(isinstance(old, str) for old in olds):
            raise UserError(f"{path}: label {new!r} needs a list of labels of the corpus, found {olds!r}")
        for old in olds:
            if old not in labels:
                raise UserError(f"{path}: the corpus has no label {old!r}; it has {', '.join(labels)}")
            if old in mapping:
                raise UserError(f"{path}: label {old!r} is named twice")
            mapping[old] = new
    left_out = [label for label in labels if label not in mapping]
    if left_out:
        raise UserError(
            f"{path}: labels {left_out} are neither mapped nor dropped; name them under labels or in drop"
        )
    return LabelSchema(tuple(groups), mapping)


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError where a key stands twice, as TOML has it."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"a name stands twice: {[name for name, _ in pairs]}")
    return content


def check_schema(name: str) -> None:
    """Check what can be known of a schema without a corpus.

    Args:
        name: As in ``label_schema``.

    Raises:
        UserError: There is no such schema, or its file cannot be read.
    """
    if name not in ("full", "four"):
        _read(Path(name))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(
            f"unknown schema {str(path)!r}; known: full, four, or a file (TOML or JSON) that exists"
        )
    text = read_text(path, "a schema of labels")
    try:
        is_json = path.suffix.lower() == ".json"
        content = json.loads(text, object_pairs_hook=_distinct_keys) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable schema file ({error_text(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a schema file holds a table, found a {type(content).__name__}")
    return content
