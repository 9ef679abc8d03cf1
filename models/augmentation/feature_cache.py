"""Features of many recordings: computed once per recording, in parallel, and kept under the audio's hash."""

from __future__ import annotations

import hashlib
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ambivox.models.audio.decoding import RATE_HZ, AudioError, decode
from ambivox.models.augmentation.frames import blocks, frame_count
from ambivox.models.augmentation.sound_features import SOUND_FEATURES, VERSION, sound_features
from ambivox.models.files import atomic_path
from ambivox.models.progress import track
from ambivox.models.tables import Utterances

_SCHEMA = pl.Schema({"audio_sha256": pl.String(), "sound": pl.Array(pl.Float64(), SOUND_FEATURES)})


def sound_features_of(
    utterances: Utterances, cache: Path | None, workers: int | None = None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """``features_NF`` (F = 72; NaN where a recording cannot be read), and the reason by utterance id.

    ``cache`` is a folder of Parquet shards, one per call that computed something; a recording is recognised by
    its hash, so a file that moved is not computed again and one that changed is.
    """
    shards = cache / f"sound-{VERSION}" if cache else None
    known = _read(shards)
    frame = utterances.frame
    missing = frame.unique("audio_sha256", maintain_order=True).filter(
        ~pl.col("audio_sha256").is_in(known["audio_sha256"].implode())
    )
    made, reasons = _compute(missing, workers)
    if shards and made.height:
        name = hashlib.sha256("".join(made["audio_sha256"]).encode()).hexdigest()[:32]
        with atomic_path(shards / f"{name}.parquet") as temporary:
            made.write_parquet(temporary)
    found = pl.concat([known, made]).unique("audio_sha256", keep="first")
    joined = frame.select("utterance_id", "audio_sha256").join(
        found, on="audio_sha256", how="left", maintain_order="left"
    )
    failed = joined.filter(pl.col("sound").is_null())
    errors = {row["utterance_id"]: reasons[row["audio_sha256"]] for row in failed.iter_rows(named=True)}
    features_NF = np.full((len(utterances), SOUND_FEATURES), np.nan)
    there = joined["sound"].is_not_null().to_numpy()
    if there.any():
        features_NF[there] = joined["sound"].drop_nulls().to_numpy()
    return features_NF, errors


def _compute(missing: pl.DataFrame, workers: int | None) -> tuple[pl.DataFrame, dict[str, str]]:
    rows: dict[str, NDArray[np.float64]] = {}
    reasons: dict[str, str] = {}
    audio, seconds = missing["audio"].to_list(), missing["duration_seconds"]
    together = blocks([frame_count(int(each * RATE_HZ)) for each in seconds])
    # The threads share the work between them; BLAS, which would start more for each of them, starts none.
    with ThreadPoolExecutor(workers or min(16, os.cpu_count() or 1)) as pool, threadpool_limits(1, "blas"):
        results = itertools.chain.from_iterable(
            pool.map(_features_or_errors, [audio[block] for block in together])
        )
        for sha256, result in zip(
            missing["audio_sha256"], track(results, "Features", missing.height), strict=True
        ):
            if isinstance(result, AudioError):
                reasons[sha256] = str(result)
            else:
                rows[sha256] = result
    values = np.stack(list(rows.values())) if rows else np.zeros((0, SOUND_FEATURES))
    return pl.DataFrame({"audio_sha256": list(rows), "sound": values}, schema=_SCHEMA), reasons


def _features_or_errors(audio: list[str]) -> list[NDArray[np.float64] | AudioError]:
    """For each recording; those that can be read are computed together."""
    heard = [_samples_or_error(one) for one in audio]
    features = iter(sound_features([one for one in heard if not isinstance(one, AudioError)]))
    return [one if isinstance(one, AudioError) else next(features) for one in heard]


def _samples_or_error(audio: str) -> NDArray[np.float32] | AudioError:
    try:
        return decode(audio, RATE_HZ)
    except AudioError as error:
        return error


def _read(shards: Path | None) -> pl.DataFrame:
    files = sorted(shards.glob("*.parquet")) if shards and shards.is_dir() else []
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *map(pl.read_parquet, files)]).unique(
        "audio_sha256", keep="first"
    )
