"""What is told of an annotation run: its size before it starts, what was rejected, and what was run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from ambivox.models.annotation.settings import AnnotationSettings
from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.neutralising import TRANSCRIPT_LIMIT_BYTES
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Utterances
from ambivox.models.tables.rejects import REJECTS


def describe_run(
    utterances: int,
    questions: int,
    missing: int,
    alm: ResolvedAlm,
    engine_version: str,
    settings: AnnotationSettings,
    unused_settings: Sequence[str],
) -> str:
    """The size of a run in one line.

    Args:
        utterances: how many are annotated.
        questions: how many are asked, all utterances together.
        missing: how many prompts have no answer in the store.
        alm: the ALM that is asked.
        engine_version: of the engine that answers.
        settings: of the run.
        unused_settings: for answers stored with other settings, what they differ in.
    """
    chosen = f" ({settings.elicitation}; chosen by --engine auto)" if settings.engine == "auto" else ""
    return (
        f"{counted(utterances, 'utterance')}, {counted(questions, 'question')} to {alm.name} on {engine_version}{chosen}; "
        f"{counted(missing, 'prompt is', 'prompts are')} not in the store yet"
        + "".join(
            f"; answers stored with other settings are not used (they differ in {names})"
            for names in dict.fromkeys(unused_settings)
        )
    )


def first_reject(item_rejects: pl.DataFrame) -> UserError:
    """The error of a run that stops at the first item that cannot be answered.

    Args:
        item_rejects: the items that were rejected (ITEM_REJECTS), at least one.
    """
    return UserError(
        f"{item_rejects['detail'][0]}; fix this utterance, or use --on-error reject to list it in rejects.parquet"
    )


def rejected_utterances(items: pl.DataFrame, item_rejects: pl.DataFrame) -> pl.DataFrame:
    """The utterances of the rejected items, each once with its first reason.

    Args:
        items: the run's items (``work_items.ITEMS``).
        item_rejects: the items that were rejected (ITEM_REJECTS).

    Returns:
        A table of rejects (REJECTS).
    """
    rows = items.join(item_rejects.unique("key"), on="key", how="inner", maintain_order="left")
    rows = rows.unique("utterance_id", keep="first", maintain_order=True)
    file = pl.col("audio").alias("file")
    line = pl.lit(None, dtype=pl.Int64).alias("line")
    return rows.select(file, line, "utterance_id", "reason", "detail").cast(REJECTS)


def what_was_run(
    utterances: Utterances,
    alm: ResolvedAlm,
    engine_version: str,
    personas: Sequence[Persona],
    settings: AnnotationSettings,
    rejected: int,
) -> dict[str, Any]:
    """The part of checks.json that says what was run.

    Args:
        utterances: all that were to be annotated.
        alm: the ALM that answered.
        engine_version: of the engine that answered.
        personas: whose votes were asked for.
        settings: of the run.
        rejected: how many utterances have no answers.
    """
    length = utterances.frame["transcript"].drop_nulls().str.len_bytes()
    is_read = settings.modality != "audio"
    return {
        "alm": alm.name,
        "revision": alm.revision,
        "engine": engine_version,
        "licence": alm.alm.licence,
        "prompt_version": prompt_version(),
        "elicitation": settings.elicitation,
        "modality": settings.modality,
        "personas": {persona.name: persona.focus for persona in personas},
        "utterances": len(utterances),
        "rejected": rejected,
        "transcripts_cut": int((length > TRANSCRIPT_LIMIT_BYTES).sum()) if is_read else 0,
        "transcript_limit_bytes": TRANSCRIPT_LIMIT_BYTES,
    }
