"""Short recordings inside the page, where the reader's options and the corpus's licence allow it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import clips
from ambivox.models.audio.excerpts import MEDIA_TYPE, excerpt
from ambivox.models.reporting.reading import Run

ClipPolicy = Literal["licensed", "always", "never"]
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ClipLimits:
    """Which clips are embedded.

    Attributes:
        policy: "licensed" embeds them where the corpus's licence lets anyone pass on the recordings.
        seconds: the most that is heard of an utterance.
        megabytes: the most that all clips together take as files; in the page they take a third more.
    """

    policy: ClipPolicy = "licensed"
    seconds: float = 8.0
    megabytes: float = 4.0


@dataclass(frozen=True)
class EmbeddedClip:
    """What is heard of an utterance: the address of its audio, or empty, and a note for the reader."""

    source: str
    note: str


def embed_clips(
    run: Run, utterances: pl.DataFrame, rows: Sequence[int], limits: ClipLimits
) -> dict[int, EmbeddedClip]:
    """Encode what is heard of some utterances.

    Args:
        run: the outputs of a corpus.
        utterances: their table.
        rows: of the table, the most important first: clips are embedded until they would exceed the limit.
        limits: what may be embedded.

    Returns:
        By row, the clip, or why there is none.
    """
    if reason := why_without_clips(run, limits.policy):
        return {row: EmbeddedClip("", reason) for row in rows}
    chosen = utterances[list(rows)]
    left = limits.megabytes * _MEGABYTE
    embedded = {}
    for row, clip, sha256, seconds in zip(
        rows, clips(chosen), chosen["audio_sha256"], chosen["duration_seconds"], strict=True
    ):
        try:
            content = excerpt(clip, limits.seconds, sha256)
        except AudioError as error:
            embedded[row] = EmbeddedClip("", f"No audio: the recording is {error.reason}.")
            continue
        if len(content) > left:
            embedded[row] = EmbeddedClip(
                "",
                f"No audio: all clips together would exceed {limits.megabytes:g} MB (report.clip_megabytes).",
            )
            continue
        left -= len(content)
        is_cut = seconds > limits.seconds
        note = f"The first {limits.seconds:g} s of {seconds:.1f} s." if is_cut else f"{seconds:.1f} s"
        address = f"data:{MEDIA_TYPE.replace(' ', '')};base64,{base64.b64encode(content).decode('ascii')}"
        embedded[row] = EmbeddedClip(address, note)
    return embedded


def why_without_clips(run: Run, policy: ClipPolicy) -> str:
    """Return why no clip is embedded; empty where clips are.

    Args:
        run: the outputs of a corpus.
        policy: see ClipLimits.
    """
    if policy == "always":
        return ""
    if policy == "never":
        return "Audio is left out (report.clips is never)."
    profile = run.json("ingest/profile.json")
    if profile.get("audio_may_be_shared") is True:
        return ""
    licence = profile.get("licence")
    stated = f"“{licence}”" if isinstance(licence, str) and licence else "which is not known"
    return (
        f"Audio is left out: the corpus’s licence, {stated}, does not say that recordings may be passed on. For a "
        "report that stays with you: --set report.clips=always"
    )
