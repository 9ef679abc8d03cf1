"""Processor time of exact annotation by part: what is timed alone, and differences of whole runs on the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from ambivox.models.audio.decoding import decode
from ambivox.models.parallel import one_torch_thread
from benchmarks.annotation_methods import Bench

_MARGIN_FRAMES = 5


def parts(bench: Bench, frame: pl.DataFrame, medians: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Milliseconds of processor time per utterance.

    Decoding and log-mels are timed alone. The engine's process runs the encoder once and the language model once per prompt:
    with ``prompts`` of them apart in place of one, its time grows by the language model alone, on all tokens of a prompt.
    What is left of the engine's time for one prompt is the encoder's, with what is done once per clip.

    Args:
        bench: the engine and its prompts.
        frame: the utterances.
        medians: figures of the methods, by name.
    """
    rate_hz, prompts = bench.resolved.alm.rate_hz, len(bench.exact)
    extractor = bench.engine.chat.processor.feature_extractor
    audio: list[Any] = []

    def decode_all() -> None:
        audio[:] = [decode(path, rate_hz) for path in frame["audio"]]

    @one_torch_thread()
    def extract_all() -> None:
        for samples in audio:
            length = (-(-len(samples) // extractor.hop_length) + _MARGIN_FRAMES) * extractor.hop_length
            extractor(samples, sampling_rate=rate_hz, padding="max_length", max_length=length)

    decoding = _processor_ms(decode_all, frame.height)
    log_mels = _processor_ms(extract_all, frame.height)
    exact, one, apart = (medians[name] for name in ("exact", "floor", "exact, prefixes apart"))
    whole_prompt = (apart["engine_ms"] - one["engine_ms"]) / (prompts - 1)
    encoder = one["engine_ms"] - whole_prompt
    return {
        "decoding and resampling": decoding,
        "log-mel": log_mels,
        "encoder, and the engine's work per clip": encoder,
        "language model, and the engine's work per prompt": exact["engine_ms"] - encoder,
        "the same, if prompts shared no prefix": prompts * whole_prompt,
        "bookkeeping of this process": exact["here_ms"] - decoding - log_mels,
        "all": exact["processor_ms"],
    }


def _processor_ms(work: Callable[[], None], utterances: int) -> float:
    work()
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / utterances
