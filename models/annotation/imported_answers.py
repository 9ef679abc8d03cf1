"""Answers of ALMs that were collected elsewhere, as a table with a row per answer, become annotations.

A row has the utterance and one of three kinds of answer: a label; one column per label with its probability or count; or
the text that the model wrote. Every row is an answer of its own, so many votes per utterance are many rows.

    utterance_id,model,label            utterance_id,model,anger,joy        utterance_id,model,response
    u1,gpt-audio,anger                  u1,gpt-audio,0.7,0.3                u1,gpt-audio,"I hear anger."
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.responses import normalise, parse_letter
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.reading import read_table
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.tables import Annotations, Utterances

# What the table of annotations says about answers that this project did not ask for.
IMPORTED = "imported"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns.

    Attributes:
        utterance: The column with the utterance's id.
        model: The column with the name of the model; "" where one name is given for all rows.
        label: The column with the label.
        response: The column with the text that the model wrote.
    """

    utterance: str = "utterance_id"
    model: str = "model"
    label: str = "label"
    response: str = "response"


def read_annotations(
    path: Path, utterances: Utterances, columns: Columns, *, alm: str = "", revision: str = ""
) -> tuple[Annotations, pl.DataFrame]:
    """Read answers.

    Args:
        path: The table: CSV, TSV, JSONL or Parquet.
        utterances: The utterances that answers may be about, with the labels that are allowed.
        columns: The names of the columns.
        alm: The name of the model where no column has it.
        revision: The model's revision; "unknown" where none is given.

    Returns:
        The answers, in the order of the table, and what cannot be used, with the columns of REJECTS. A text that names
        no label is a refusal, as in answers that this project collects.

    Raises:
        UserError: The table cannot be read, or has no answers, or neither a column nor ``alm`` names the model.
    """
    frame = read_table(path, [columns.utterance], numbers=utterances.labels)
    kind = _kind(path, frame, utterances.labels, columns)
    model = pl.lit(alm) if alm else pl.col(columns.model) if columns.model in frame.columns else None
    if model is None:
        raise UserError(
            f"{path}: no column {columns.model!r} names the model that answered; add one, or use --alm NAME "
            f"(columns: {', '.join(name for name in frame.columns if name != LINE)})"
        )
    rows = frame.with_columns(
        utterance_id=pl.col(columns.utterance).cast(pl.String),
        alm=model.cast(pl.String).str.strip_chars(),
        file=pl.lit(str(path)),
        line=pl.col(LINE),
    )
    answers = _answers(rows, kind, utterances.labels, columns)
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
    return Annotations.check(described.select(wanted), utterances.labels, str(path)), rejects


def _kind(path: Path, frame: pl.DataFrame, labels: tuple[str, ...], columns: Columns) -> str:
    """Which kind of answer the table holds: probabilities, label or response."""
    present = [label for label in labels if label in frame.columns]
    if present and len(present) < len(labels):
        missing = ", ".join(label for label in labels if label not in present)
        raise UserError(f"{path}: a column for each label is needed; missing: {missing}")
    for kind, is_there in (
        ("probabilities", bool(present)),
        ("label", columns.label in frame.columns),
        ("response", columns.response in frame.columns),
    ):
        if is_there:
            return kind
    raise UserError(
        f"{path}: no answers; expected a column {columns.label!r} (--label), one column per label ({', '.join(labels)}), "
        f"or a column {columns.response!r} (--response); found {', '.join(name for name in frame.columns if name != LINE)}"
    )


def _answers(rows: pl.DataFrame, kind: str, labels: tuple[str, ...], columns: Columns) -> pl.DataFrame:
    """The rows with ``logprobs``, ``label``, ``response``, ``refused``, ``problem`` and ``found``."""
    if kind == "probabilities":
        values = rows.select(pl.col(label).cast(pl.Float64, strict=False) for label in labels).to_numpy()
        total = values.sum(axis=1)
        is_valid = (
            np.isfinite(values).all(axis=1)
            & (np.nan_to_num(values) >= 0).all(axis=1)
            & (np.nan_to_num(total) > 0)
        )
        logprobs = np.zeros_like(values)
        logprobs[is_valid] = normalise(values[is_valid] / total[is_valid, None])[0].round(6)
        lists: list[list[float] | None] = [
            row if valid else None for row, valid in zip(logprobs.tolist(), is_valid, strict=True)
        ]
        found = [", ".join(f"{value:g}" for value in row) for row in values]
        return _described(
            rows, logprobs=lists, found=found, problem=_problems(is_valid, "no distribution over the labels")
        )
    given = (
        rows[columns.label if kind == "label" else columns.response].cast(pl.String, strict=False).to_list()
    )
    if kind == "label":
        by_spelling = {label.casefold(): label for label in labels}
        names = [by_spelling.get(text.strip().casefold()) if text else None for text in given]
        is_valid = np.array([name is not None for name in names], dtype=bool)
        return _described(
            rows,
            label=names,
            found=[text or "" for text in given],
            problem=_problems(is_valid, "unknown label"),
        )
    # Letters mean nothing without the prompt that listed them, so only names count.
    prompt = Prompt(Persona(UNKNOWN, ""), tuple(range(len(labels))), labels, codes="\0" * len(labels))
    names = [parse_letter(text, prompt) if text else None for text in given]
    return _described(
        rows,
        label=names,
        response=given,
        refused=[name is None for name in names],
        found=[text or "" for text in given],
    )


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
