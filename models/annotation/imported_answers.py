"""Answers of ALMs that were collected elsewhere, as a table with a row per answer, become annotations.

A row has the utterance and one of three kinds of answer: a label; one column per label with its probability or count; or
the text that the model wrote. Every row is an answer of its own, so many votes per utterance are many rows.

    utterance_id,model,label            utterance_id,model,anger,joy        utterance_id,model,response
    u1,gpt-audio,anger                  u1,gpt-audio,0.7,0.3                u1,gpt-audio,"I hear anger."

The case of column names means nothing, and columns of probabilities may be called ``prob_anger``, ``p(anger)``,
``anger_score`` or ``anger_prob``. A response may be a JSON object of labels and numbers.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.imported_columns import Columns, find_column, kind_of, notes_on
from ambivox.models.annotation.imported_distributions import (
    NO_DISTRIBUTION,
    are_distributions,
    describe_fault,
    numbers_in,
)
from ambivox.models.annotation.responses import normalise, parse_letter
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.label_spellings import LabelSpellings
from ambivox.models.ingestion.nested import single_columns
from ambivox.models.ingestion.reading import read_table
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.tables import Annotations, Utterances

__all__ = ["IMPORTED", "UNKNOWN", "Columns", "read_annotations"]

# What the table of annotations says about answers that this project did not ask for.
IMPORTED = "imported"
UNKNOWN = "unknown"


def read_annotations(
    path: Path, utterances: Utterances, columns: Columns, *, alm: str = "", revision: str = ""
) -> tuple[Annotations, pl.DataFrame, list[str]]:
    """Read answers.

    Args:
        path: The table: CSV, TSV, JSONL or Parquet.
        utterances: The utterances that answers may be about, with the labels that are allowed.
        columns: The names of the columns.
        alm: The name of the model where the column has none, or there is no column.
        revision: The model's revision; "unknown" where none is given.

    Returns:
        The answers, in the order of the table; what cannot be used, with the columns of REJECTS; and notes on what was
        read. A text that names no label is a refusal, as in answers that this project collects.

    Raises:
        UserError: The table cannot be read, or has no answers, or neither a column nor ``alm`` names the model.
    """
    frame = read_table(path, [columns.utterance], numbers=utterances.labels)
    found = [name for name in frame.columns if name != LINE]
    kind, sources = kind_of(path, found, utterances.labels, columns)
    if not set(sources) <= set(utterances.labels):
        frame = read_table(path, [columns.utterance], numbers=sources)
    model = find_column(found, columns.model) if columns.model else None
    if model is None and (not alm or columns.model not in ("", Columns.model)):
        raise UserError(
            f"{path}: no column {columns.model!r} names the model that answered; add one, or use --alm NAME "
            f"(columns: {', '.join(found)})"
        )
    used = [columns.utterance, *([model] if model else []), *sources]
    if nested := [name for name in used if name not in single_columns(frame)]:
        raise UserError(
            f"{path}: the column {nested[0]!r} holds lists, objects or bytes; expected one plain value; write a row per answer"
        )
    given = pl.col(model).cast(pl.String).str.strip_chars() if model else pl.lit(None, pl.String)
    rows = frame.with_columns(
        utterance_id=pl.col(columns.utterance).cast(pl.String),
        alm=pl.when(given.fill_null("") != "").then(given).otherwise(pl.lit(alm)),
        file=pl.lit(str(path)),
        line=pl.col(LINE),
    )
    notes = notes_on(frame, kind, sources, used)
    answers = _answers(frame.select(sources), rows, kind, utterances.labels)
    is_known = pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode()).fill_null(value=False)
    problem = (
        pl.when(~is_known)
        .then(pl.lit("answer about an unknown utterance"))
        .when(pl.col("alm").fill_null("") == "")
        .then(pl.lit("answer of a model without a name"))
        .otherwise(pl.col("problem"))
    )
    answers = answers.with_columns(problem=problem)
    usable = answers.filter(pl.col("problem").is_null())
    rejects = pl.concat(
        [
            rejected(answers.clear(), ""),
            *(
                rejected(group, str(reason), pl.col("found"))
                for (reason,), group in answers.drop_nulls("problem").group_by("problem", maintain_order=True)
            ),
        ]
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    described = usable.with_columns(
        revision=pl.lit(revision or UNKNOWN),
        elicitation=pl.lit(IMPORTED),
        persona=pl.lit(UNKNOWN),
        option_order=pl.lit("-".join(map(str, range(len(utterances.labels))))),
        temperature=pl.lit(1.0),
        prompt_sha256=pl.lit(UNKNOWN),
        engine=pl.lit(f"imported from {path.name} ({digest[:16]})"),
        seed=pl.lit(None, dtype=pl.Int64),
        label_mass=pl.lit(None, dtype=pl.Float64),
        answered_by=pl.lit(None, dtype=pl.String),
    )
    wanted = [*Annotations.required, *Annotations.optional]
    return Annotations.check(described.select(wanted), utterances.labels, str(path)), rejects, notes


def _answers(sources: pl.DataFrame, rows: pl.DataFrame, kind: str, labels: tuple[str, ...]) -> pl.DataFrame:
    """The rows with ``logprobs``, ``label``, ``response``, ``refused``, ``problem`` and ``found``."""
    if kind == "probabilities":
        values = sources.select(pl.all().cast(pl.Float64, strict=False)).to_numpy()
        texts = sources.select(pl.all().cast(pl.String, strict=False).fill_null("")).rows()
        return _described(rows, **_distributions(values, texts))
    given = sources.to_series().cast(pl.String, strict=False).to_list()
    if kind == "label":
        spellings = LabelSpellings(labels)
        names = [spellings.find(text) if text else None for text in given]
        is_valid = np.array([name is not None for name in names], dtype=bool)
        return _described(
            rows,
            label=names,
            found=[text or "" for text in given],
            problem=_problems(is_valid, "unknown label"),
        )
    numbers = [numbers_in(text or "", labels) for text in given]
    values = np.array([found or [np.nan] * len(labels) for found, _ in numbers]).reshape(-1, len(labels))
    checked = _distributions(values, [(text or "",) for text in given])
    # Letters mean nothing without the prompt that listed them, so only names count.
    prompt = Prompt(Persona(UNKNOWN, ""), tuple(range(len(labels))), labels, codes="\0" * len(labels))
    is_text = [found is None for found, _ in numbers]
    names = [
        parse_letter(text, prompt) if text and alone else None
        for text, alone in zip(given, is_text, strict=True)
    ]
    for row, (alone, (_, are_labels)) in enumerate(zip(is_text, numbers, strict=True)):
        if alone:
            checked["problem"][row], checked["found"][row] = None, given[row] or ""
        elif not are_labels:
            checked["logprobs"][row], checked["problem"][row] = None, NO_DISTRIBUTION
            checked["found"][row] = f"{given[row]}; all names must be labels"
    return _described(
        rows,
        label=names,
        response=given,
        refused=[alone and name is None for alone, name in zip(is_text, names, strict=True)],
        **checked,
    )


def _distributions(values_NK: np.ndarray, texts: list[tuple[str, ...]]) -> dict[str, list[Any]]:
    """``logprobs``, ``problem`` and ``found`` of rows of numbers."""
    is_valid = are_distributions(values_NK)
    logprobs = np.zeros_like(values_NK)
    valid = values_NK[is_valid]
    logprobs[is_valid] = normalise(valid / valid.sum(axis=1, keepdims=True))[0].round(6)
    return {
        "logprobs": [row if valid else None for row, valid in zip(logprobs.tolist(), is_valid, strict=True)],
        "problem": _problems(is_valid, NO_DISTRIBUTION),
        "found": [
            "" if is_fine else describe_fault(row, cells)
            for row, cells, is_fine in zip(values_NK, texts, is_valid, strict=True)
        ],
    }


def _described(rows: pl.DataFrame, **columns: list[Any]) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "logprobs": pl.List(pl.Float64),
        "label": pl.String,
        "response": pl.String,
        "refused": pl.Boolean,
        "problem": pl.String,
        "found": pl.String,
    }
    filled = {
        name: pl.Series(
            name, columns.get(name, [False if name == "refused" else None] * rows.height), dtype=dtype
        )
        for name, dtype in schema.items()
    }
    return rows.select("utterance_id", "alm", "file", "line").with_columns(**filled)


def _problems(is_valid: np.ndarray, problem: str) -> list[str | None]:
    return [None if valid else problem for valid in is_valid.tolist()]
