"""``ambivox.annotate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.annotation.hosted_cost import CostEstimate
from ambivox.models.annotation.run import AnnotationRun
from ambivox.models.annotation.settings import AnnotationSettings
from ambivox.models.api.frames import UTTERANCE
from ambivox.models.audio.probing import probe
from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.tables import Utterances
from ambivox.models.temporary_files import scratch_folder


def annotate(
    audio: Sequence[str | Path] | Mapping[str, str | Path],
    labels: Sequence[str],
    alm: str,
    *,
    transcripts: Mapping[str, str] | None = None,
    engine: str = "auto",
    store: str | Path | None = None,
    **settings: Any,
) -> pl.DataFrame:
    """Ask an ALM which emotion each recording expresses.

    Args:
        audio: recordings: paths, or a mapping from utterances to paths. An utterance is called after its path if not
            named.
        labels: the K labels to choose from.
        alm: a key in models/alms/, a model folder, or ``hosted:MODEL``.
        transcripts: what is said, by utterance.
        engine: what runs the ALM; "auto" is vLLM where it is installed, else transformers.
        store: a vote store, where answers are kept for the next call; None keeps nothing.
        **settings: further options of the step ``annotate``, such as ``orders`` and ``personas``; a hosted ALM needs
            ``allow_hosted=True`` and ``max_cost``, and a ``store``.

    Returns:
        A row per recording with ``utterance_id`` and a probability per label, null where the ALM did not answer.
        ``ambivox.pool`` takes it as ``probabilities``.

    Raises:
        UserError: a recording cannot be used, or see ``ambivox annotate --help``.
    """
    paths = dict(audio) if isinstance(audio, Mapping) else {str(path): path for path in audio}
    if not paths:
        raise UserError("audio: found no recording, expected at least one")
    probed = probe([str(Path(path).expanduser()) for path in paths.values()])
    unusable = probed.filter(pl.col("problem").is_not_null())
    if unusable.height:
        raise UserError(str(unusable["detail"][0] or f"{unusable['audio'][0]}: {unusable['problem'][0]}"))
    frame = probed.select(
        pl.Series(UTTERANCE, [str(name) for name in paths]),
        pl.lit("api").alias("corpus"),
        "audio",
        "audio_sha256",
        "duration_seconds",
        "sample_rate_hz",
        pl.lit("test").alias("split"),
        pl.Series("transcript", [(transcripts or {}).get(str(name)) for name in paths], dtype=pl.String),
        "channel",
    )
    utterances = Utterances.check(frame, tuple(labels))
    with scratch_folder() as temporary:
        run = AnnotationRun(utterances, _settings(alm, engine, str(store or temporary), settings))
        missing = run.missing_items()
        if run.hosted is not None and missing:
            _check_agreed(run.hosted.estimate(missing), run.settings.max_cost, store)
        annotations = run.annotate(missing).annotations
    answers = synthetic_distributions(annotations, utterances.frame[UTTERANCE])
    q_NK = answers[0].q_NK if answers else None
    columns: dict[str, Any] = {UTTERANCE: utterances.frame[UTTERANCE]}
    for k, label in enumerate(utterances.labels):
        column = pl.Series(label, q_NK[:, k] if q_NK is not None else [None] * len(frame), dtype=pl.Float64)
        columns[label] = column.fill_nan(None)
    return pl.DataFrame(columns)


def _check_agreed(estimate: CostEstimate, limit: float | None, store: str | Path | None) -> None:
    """Check that a caller has agreed to what a hosted ALM costs, and that paid answers are kept."""
    if limit is None or store is None:
        raise UserError(
            f"nothing was sent: {estimate.describe()}; a hosted ALM needs max_cost= (US dollars) and store= (a folder that "
            "keeps the paid answers)"
        )
    estimate.check(limit)


def _settings(alm: str, engine: str, store: str, given: Mapping[str, Any]) -> AnnotationSettings:
    """The settings of the run; what is not given has the default of the step."""
    known = {field.name for field in fields(AnnotationSettings)} - {"alm", "engine", "store"}
    others = sorted(set(given) - known)
    if others:
        raise UserError(f"unknown settings {', '.join(others)}; known: {', '.join(sorted(known))}")
    return AnnotationSettings(alm=alm, engine=engine, store=store, **given)
