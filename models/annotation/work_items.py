"""Work items: what an ALM has to answer, the shards it is computed in, and the annotations table.

An item is one question about one utterance. Its key is the hash of all that decides the answer within a space of the
vote store, so that every process computes the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.elicitation import Question
from ambivox.models.audio.clips import CLIP_COLUMNS
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Annotations, Utterances

# Raise this number with every change of this project's code that changes the answers to the same questions (decoding,
# windows, parsing of responses). Answers that were stored under another number are not used.
ANSWERS_VERSION = 2

ITEMS = pl.Schema(
    {
        "utterance_id": pl.String,
        **CLIP_COLUMNS,
        "audio_sha256": pl.String,
        "transcript": pl.String,
        "question": pl.Int64,
        "key": pl.String,
    }
)


def store_space(
    resolved: ResolvedAlm, engine_version: str, engine_identity: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What decides the answers apart from utterance and question: the space of the vote store.

    Args:
        resolved: the ALM.
        engine_version: the version string of the engine.
        engine_identity: what else the engine's answers depend on; see ``engines.engine_identity``.

    Returns:
        A JSON-serialisable mapping. What happens to clips that are too long is not part of it: their answers have the
        number of windows, and a run that does not cut clips leaves these out.
    """
    return {
        "alm": resolved.name,
        "revision": resolved.revision,
        "engine": engine_version,
        "prompts": prompt_version(),
        "longest_seconds": resolved.alm.longest_seconds,
        "rate_hz": resolved.alm.rate_hz,
        "answers": ANSWERS_VERSION,
        "processor_class": resolved.alm.processor_class,
        "transformers_class": resolved.alm.transformers_class,
        "chat_arguments": dict(resolved.alm.chat_arguments),
        "engine_identity": dict(engine_identity or {}),
    }


def plan_items(utterances: Utterances, questions: tuple[Question, ...]) -> pl.DataFrame:
    """One item for each utterance and question.

    Args:
        utterances: N utterances.
        questions: Q questions.

    Returns:
        N x Q rows (ITEMS), in the order of the utterances; ``question`` is the index in ``questions``.
    """
    columns = ["utterance_id", *CLIP_COLUMNS, "audio_sha256", "transcript"]
    numbers = pl.DataFrame({"question": np.arange(len(questions), dtype=np.int64)})
    return add_keys(utterances.frame.select(columns).join(numbers, how="cross"), questions)


def add_keys(items: pl.DataFrame, questions: tuple[Question, ...]) -> pl.DataFrame:
    """Set the key of each item: the hash of the audio and transcript that the model is given, prompt and sampling.

    Args:
        items: the columns of ITEMS; ``key`` may be missing and is replaced.
        questions: what the column ``question`` indexes.

    Returns:
        ``items`` with keys (ITEMS).
    """
    question_ids = [f"{q.prompt.sha256()}:{q.annotator}:{q.temperature}:{q.seed}" for q in questions]
    uses_audio = [q.prompt.modality != "transcript" for q in questions]
    uses_transcript = [q.prompt.modality != "audio" for q in questions]
    rows = zip(items["audio_sha256"], items["transcript"], items["question"], strict=True)
    keys = [
        _hash(
            audio if uses_audio[number] else "",
            transcript or "" if uses_transcript[number] else "",
            question_ids[number],
        )
        for audio, transcript, number in rows
    ]
    return items.with_columns(pl.Series("key", keys, dtype=pl.String)).select(list(ITEMS)).cast(ITEMS)


def split_into_shards(items: pl.DataFrame, clips_per_shard: int) -> list[pl.DataFrame]:
    """Split the items by audio clip; repeated keys are dropped and the items of a clip are adjacent.

    The result depends on the items only, so that all processes split the same work in the same way.

    Args:
        items: rows of ITEMS.
        clips_per_shard: the number of distinct clips (by ``audio_sha256``) per shard.

    Returns:
        The shards (ITEMS), in the order of the clips' first items.
    """
    if not items.height:
        return []
    unique = items.unique("key", keep="first", maintain_order=True).with_row_index("_row")
    clip = pl.col("_row").min().over("audio_sha256").rank("dense") - 1
    ordered = (
        unique.with_columns(_clip=clip)
        .sort("_clip", "_row")
        .with_columns(_shard=pl.col("_clip") // clips_per_shard)
    )
    return [shard.select(list(ITEMS)) for shard in ordered.partition_by("_shard", maintain_order=True)]


def annotations_table(
    items: pl.DataFrame,
    answers: pl.DataFrame,
    questions: tuple[Question, ...],
    labels: tuple[str, ...],
    resolved: ResolvedAlm,
    engine_version: str,
    temperature: float = 1.0,
) -> Annotations:
    """The annotations table of the items; items without an answer are left out.

    Args:
        items: rows of ITEMS; the table keeps their order.
        answers: rows of the vote store (``vote_store.SCHEMA``).
        questions: what the column ``question`` indexes.
        labels: K labels.
        resolved: the ALM.
        engine_version: the version string of the engine.
        temperature: T, which rescales exact distributions in closed form: p^(1/T), normalised.

    Returns:
        The checked table.
    """
    described = pl.DataFrame(
        {
            "question": np.arange(len(questions), dtype=np.int64),
            "persona": [q.prompt.persona.name for q in questions],
            "option_order": [q.prompt.order_name for q in questions],
            "elicitation": [q.prompt.elicitation for q in questions],
            "seed": pl.Series([q.seed for q in questions], dtype=pl.Int64),
            "temperature": [q.temperature for q in questions],
        }
    )
    frame = items.join(described, on="question", maintain_order="left")
    frame = frame.join(answers.drop("audio_sha256"), on="key", how="inner", maintain_order="left")
    if temperature != 1.0:
        is_exact = pl.col("elicitation") == "exact"
        scaled = _scale_by_temperature(frame["logprobs"], temperature)
        frame = frame.with_columns(
            logprobs=pl.when(is_exact).then(scaled).otherwise(pl.col("logprobs")),
            temperature=pl.when(is_exact).then(pl.lit(temperature)).otherwise(pl.col("temperature")),
        )
    frame = frame.with_columns(
        alm=pl.lit(resolved.name), revision=pl.lit(resolved.revision), engine=pl.lit(engine_version)
    )
    columns = [*Annotations.required, *Annotations.optional]
    return Annotations.check(frame.select(columns), labels)


def _scale_by_temperature(logprobs: pl.Series, temperature: float) -> pl.Series:
    rows: list[list[float] | None] = []
    for row in logprobs.to_list():
        if row is None:
            rows.append(None)
            continue
        scaled_K = np.array(row) / temperature
        rows.append((scaled_K - np.logaddexp.reduce(scaled_K)).round(6).tolist())
    return pl.Series(rows, dtype=pl.List(pl.Float64))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
