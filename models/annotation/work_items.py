"""From utterances to annotations: what has to be asked, what is stored already, and the table in the end.

An item is one question about one clip; its key says all that decides the answer within a space of the vote
store, so that whoever computes it computes the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.elicitation import Question
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Annotations, Utterances

# To be raised with every change of this project's own code that gives other answers to the same questions
# (decoding, windows, the reading of answers): what is stored under another number is not taken for them.
ANSWERS_VERSION = 1

ITEMS = pl.Schema(
    {
        "utterance_id": pl.String,
        "audio": pl.String,
        "audio_sha256": pl.String,
        "transcript": pl.String,
        "question": pl.Int64,
        "key": pl.String,
    }
)


def space(resolved: ResolvedAlm, version: str) -> dict[str, Any]:
    """What decides answers beside clip and question: the vote store's space."""
    return {
        "alm": resolved.name,
        "revision": resolved.revision,
        "engine": version,
        "prompts": prompt_version(),
        "longest_seconds": resolved.alm.longest_seconds,
        "rate_hz": resolved.alm.rate_hz,
        "answers": ANSWERS_VERSION,
    }


def plan(utterances: Utterances, questions: tuple[Question, ...]) -> pl.DataFrame:
    """One item (ITEMS) for every utterance and question, the utterances in order."""
    columns = ["utterance_id", "audio", "audio_sha256", "transcript"]
    numbers = pl.DataFrame({"question": np.arange(len(questions), dtype=np.int64)})
    return with_keys(utterances.frame.select(columns).join(numbers, how="cross"), questions)


def with_keys(items: pl.DataFrame, questions: tuple[Question, ...]) -> pl.DataFrame:
    """``items`` with the key of each: the hash of clip, prompt, transcript where it is read, and drawing."""
    asked = [f"{q.prompt.sha256()}:{q.annotator}:{q.temperature}:{q.seed}" for q in questions]
    hears = [q.prompt.modality != "transcript" for q in questions]
    reads = [q.prompt.modality != "audio" for q in questions]
    rows = zip(items["audio_sha256"], items["transcript"], items["question"], strict=True)
    keys = [
        _hash(audio if hears[q] else "", transcript or "" if reads[q] else "", asked[q])
        for audio, transcript, q in rows
    ]
    return items.with_columns(pl.Series("key", keys, dtype=pl.String)).select(list(ITEMS)).cast(ITEMS)


def slices(items: pl.DataFrame, clips: int) -> list[pl.DataFrame]:
    """The items in parts of ``clips`` clips each, keys once only, a clip's items next to each other.

    The parts depend on the items alone, so that every runner cuts the same work the same way.
    """
    if not items.height:
        return []
    order = items.unique("key", keep="first", maintain_order=True).with_row_index("_row")
    # Every clip's place is where it is first asked about.
    place = pl.col("_row").min().over("audio_sha256").rank("dense") - 1
    order = (
        order.with_columns(_place=place).sort("_place", "_row").with_columns(_part=pl.col("_place") // clips)
    )
    parts = order.partition_by("_part", maintain_order=True)
    return [part.select(list(ITEMS)) for part in parts]


def gather(
    items: pl.DataFrame,
    answers: pl.DataFrame,
    questions: tuple[Question, ...],
    labels: tuple[str, ...],
    resolved: ResolvedAlm,
    version: str,
    temperature: float = 1.0,
) -> Annotations:
    """The annotations table of these items, those without an answer left out, rows in the items' order.

    ``temperature`` reshapes exact distributions in closed form: p^(1/T), normalised.
    """
    about = pl.DataFrame(
        {
            "question": np.arange(len(questions), dtype=np.int64),
            "persona": [q.prompt.persona.name for q in questions],
            "option_order": [q.prompt.order_name for q in questions],
            "elicitation": [q.prompt.elicitation for q in questions],
            "seed": pl.Series([q.seed for q in questions], dtype=pl.Int64),
            "temperature": [q.temperature for q in questions],
        }
    )
    frame = items.join(about, on="question", maintain_order="left")
    frame = frame.join(answers.drop("audio_sha256"), on="key", how="inner", maintain_order="left")
    if temperature != 1.0:
        exact = pl.col("elicitation") == "exact"
        scaled = _tempered(frame["logprobs"], temperature)
        frame = frame.with_columns(
            logprobs=pl.when(exact).then(scaled).otherwise(pl.col("logprobs")),
            temperature=pl.when(exact).then(pl.lit(temperature)).otherwise(pl.col("temperature")),
        )
    frame = frame.with_columns(
        alm=pl.lit(resolved.name), revision=pl.lit(resolved.revision), engine=pl.lit(version)
    )
    columns = [*Annotations.required, *Annotations.optional]
    return Annotations.check(frame.select(columns), labels)


def _tempered(logprobs: pl.Series, temperature: float) -> pl.Series:
    rows = [
        None
        if row is None
        else (np.array(row) / temperature - np.logaddexp.reduce(np.array(row) / temperature))
        for row in logprobs.to_list()
    ]
    return pl.Series(
        [None if row is None else row.round(6).tolist() for row in rows], dtype=pl.List(pl.Float64)
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
