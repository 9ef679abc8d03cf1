"""``ambivox.annotate``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.annotation.hosted_cost import CostEstimate
from ambivox.models.annotation.run import AnnotationRun
from ambivox.models.annotation.settings import AnnotationSettings
from ambivox.models.api.arguments import check_result_columns, is_missing, label_names
from ambivox.models.api.frames import UTTERANCE
from ambivox.models.audio.probing import probe
from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.tables import Utterances
from ambivox.models.tables.label_names import OTHER_COLUMNS
from ambivox.models.temporary_files import scratch_folder


def annotate(
    audio: Sequence[str | Path] | Mapping[str, str | Path] | str | Path,
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
        audio: recordings: paths, a mapping from utterances to paths, or one path. An utterance is called after its path if
            not named.
        labels: a list of the K labels to choose from.
        alm: a key in models/alms/, a model folder, or ``hosted:MODEL``.
        transcripts: what is said, by utterance; each must be one of ``audio``.
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
    names = label_names(labels)
    check_result_columns(names, OTHER_COLUMNS)
    paths = _paths(audio)
    if not paths:
        raise UserError("audio: found no recording, expected at least one")
    said = _transcripts({} if transcripts is None else transcripts, list(paths))
    probed = probe([str(Path(path).expanduser()) for path in paths.values()])
    unusable = probed.filter(pl.col("problem").is_not_null())
    if unusable.height:
        raise UserError(str(unusable["detail"][0] or f"{unusable['audio'][0]}: {unusable['problem'][0]}"))
    frame = probed.select(
        pl.Series(UTTERANCE, list(paths)),
        pl.lit("api").alias("corpus"),
        "audio",
        "audio_sha256",
        "duration_seconds",
        "sample_rate_hz",
        pl.lit("test").alias("split"),
        pl.Series("transcript", [said.get(name) for name in paths], dtype=pl.String),
        "channel",
    )
    utterances = Utterances.check(frame, names)
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


def _paths(audio: Any) -> dict[str, str | Path]:
    """The paths of the recordings, by the name of the utterance."""
    if isinstance(audio, str | Path):
        audio = [audio]
    if not isinstance(audio, Iterable):
        raise UserError(
            f"audio: expected paths, or a mapping from utterances to paths, found a {type(audio).__name__}"
        )
    pairs = audio.items() if isinstance(audio, Mapping) else ((path, path) for path in audio)
    paths = {str(name): path for name, path in pairs}
    no_path = next((path for path in paths.values() if not isinstance(path, str | Path)), "")
    if not isinstance(no_path, str | Path):
        raise UserError(f"audio: expected paths of recordings, found {no_path!r}")
    return paths


def _transcripts(given: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """What is said, by the name of the utterance; what is missing is left out."""
    if not hasattr(given, "items"):
        raise UserError(
            f"transcripts: expected a mapping from utterances to text, found a {type(given).__name__}"
        )
    said = {str(name): words for name, words in given.items() if not is_missing(words)}
    strange = [name for name in said if name not in set(names)]
    if strange:
        raise UserError(
            f"transcripts: {counted(len(strange), 'name is', 'names are')} of no recording, such as {strange[0]!r}; expected "
            f"names such as {names[0]!r}"
        )
    no_text = next((name for name, words in said.items() if not isinstance(words, str)), None)
    if no_text is not None:
        raise UserError(f"transcripts: expected text for {no_text!r}, found {said[no_text]!r}")
    return said


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
