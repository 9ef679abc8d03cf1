"""Acoustic features of many recordings: computed once per recording, in parallel, and cached under the audio's hash."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip, clips
from ambivox.models.audio.decoding import RATE_HZ, decode_or_error
from ambivox.models.augmentation.acoustic_features import ACOUSTIC_FEATURES, VERSION, acoustic_features
from ambivox.models.augmentation.framing import blocks, frame_count
from ambivox.models.cluster import map_batches
from ambivox.models.files import atomic_path
from ambivox.models.parquet_files import read_parquet
from ambivox.models.progress import track
from ambivox.models.tables import Utterances

_SCHEMA = pl.Schema({"audio_sha256": pl.String(), "sound": pl.Array(pl.Float64(), ACOUSTIC_FEATURES)})


def cached_acoustic_features(
    utterances: Utterances, cache: Path | None, workers: int | None = None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Acoustic features of every utterance, from the cache where it has them.

    Args:
        utterances: N utterances.
        cache: a folder of Parquet shards, one per call that computed features. The key is the hash of the audio, so
            a moved file is found and a changed one is computed again. None for no cache.
        workers: threads, where no cluster is named (models/cluster.py); None for one per core, at most 16.

    Returns:
        ``features_NF`` with F = ACOUSTIC_FEATURES, NaN where a recording cannot be decoded, and the reasons by
        utterance id.
    """
    shards = cache / f"sound-{VERSION}" if cache else None
    cached = _read(shards)
    frame = utterances.frame
    missing = frame.unique("audio_sha256", maintain_order=True).filter(
        ~pl.col("audio_sha256").is_in(cached["audio_sha256"].implode())
    )
    computed, reasons = _compute(missing, workers)
    if shards and computed.height:
        name = hashlib.sha256("".join(computed["audio_sha256"]).encode()).hexdigest()[:32]
        with atomic_path(shards / f"{name}.parquet") as temporary:
            computed.write_parquet(temporary)
    features = pl.concat([cached, computed]).unique("audio_sha256", keep="first")
    joined = frame.select("utterance_id", "audio_sha256").join(
        features, on="audio_sha256", how="left", maintain_order="left"
    )
    failed = joined.filter(pl.col("sound").is_null())
    errors = {row["utterance_id"]: reasons[row["audio_sha256"]] for row in failed.iter_rows(named=True)}
    features_NF = np.full((len(utterances), ACOUSTIC_FEATURES), np.nan)
    is_known_N = joined["sound"].is_not_null().to_numpy()
    if is_known_N.any():
        features_NF[is_known_N] = joined["sound"].drop_nulls().to_numpy()
    return features_NF, errors


def _compute(missing: pl.DataFrame, workers: int | None) -> tuple[pl.DataFrame, dict[str, str]]:
    features: dict[str, NDArray[np.float64]] = {}
    reasons: dict[str, str] = {}
    audio, seconds = clips(missing), missing["duration_seconds"]
    batches = blocks([frame_count(int(each * RATE_HZ)) for each in seconds])
    threads = workers or min(16, os.cpu_count() or 1)
    results = itertools.chain.from_iterable(
        map_batches(_features_or_errors, [audio[batch] for batch in batches], threads)
    )
    for sha256, result in zip(
        missing["audio_sha256"], track(results, "Features", missing.height), strict=True
    ):
        if isinstance(result, AudioError):
            reasons[sha256] = str(result)
        else:
            features[sha256] = result
    values = np.stack(list(features.values())) if features else np.zeros((0, ACOUSTIC_FEATURES))
    return pl.DataFrame({"audio_sha256": list(features), "sound": values}, schema=_SCHEMA), reasons


def _features_or_errors(audio: Sequence[Clip]) -> list[NDArray[np.float64] | AudioError]:
    """The result for each recording; those that can be decoded are processed together."""
    decoded = [decode_or_error(clip, RATE_HZ) for clip in audio]
    features = iter(acoustic_features([each for each in decoded if not isinstance(each, AudioError)]))
    return [each if isinstance(each, AudioError) else next(features) for each in decoded]


def _read(shards: Path | None) -> pl.DataFrame:
    files = sorted(shards.glob("*.parquet")) if shards and shards.is_dir() else []
    features = [
        read_parquet(path, "features of audio; delete it and run the same command again") for path in files
    ]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *features]).unique("audio_sha256", keep="first")
