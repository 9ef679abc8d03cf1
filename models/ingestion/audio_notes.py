"""Notes for the user about recordings: what is unusual about those that are used, and why others are not."""

from __future__ import annotations

import polars as pl

from ambivox.models.counted import counted


def audio_notes(utterances: pl.DataFrame) -> list[str]:
    """Count what is unusual about recordings that can be used.

    Args:
        utterances: ``audio``, ``channel``, and the columns ``corrected`` and ``heard`` of
            ``ambivox.models.audio.probing.probe``.

    Returns:
        One line per kind, with the number of recordings and the first one.
    """
    heard = pl.col("heard")
    kinds = {
        "silent": heard == "silent",
        "beyond": heard == "beyond full scale",
        "cancelling": heard == "cancelling channels",
        "different": (heard == "different channels") & pl.col("channel").is_null(),
        "corrected": pl.col("corrected").is_not_null(),
    }
    by_kind = {kind: utterances.filter(is_such) for kind, is_such in kinds.items()}
    notes = []
    if by_kind["silent"].height:
        notes.append(
            f"{counted(by_kind['silent'].height, 'recording is', 'recordings are')} silent, {_first(by_kind['silent'])}"
        )
    if by_kind["beyond"].height:
        notes.append(
            f"{counted(by_kind['beyond'].height, 'recording has', 'recordings have')} samples far beyond full scale, {_first(by_kind['beyond'])}; "
            "floats of 16-bit samples must be divided by 32768"
        )
    if by_kind["cancelling"].height:
        notes.append(
            f"{counted(by_kind['cancelling'].height, 'recording has', 'recordings have')} channels that cancel each other, so channel 1 is used, "
            f"{_first(by_kind['cancelling'])}"
        )
    if by_kind["different"].height:
        notes.append(
            f"{counted(by_kind['different'].height, 'recording has', 'recordings have')} different channels, which are averaged, "
            f"{_first(by_kind['different'])}; to hear one of them: --channel 1"
        )
    if by_kind["corrected"].height:
        corrected = by_kind["corrected"].sort("audio")
        notes.append(
            f"{counted(corrected['audio'].n_unique(), 'recording has', 'recordings have')} a header with a wrong length, read to the end of "
            f"the file, {_first(corrected)}, which {corrected['corrected'][0]}"
        )
    return notes


def unusable_notes(utterances: pl.DataFrame) -> list[str]:
    """Say what to do about recordings that cannot be used.

    Args:
        utterances: The columns ``problem`` and ``detail`` of ``ambivox.models.audio.probing.probe``, without nulls.

    Returns:
        One line per reason, with the number of recordings and the message of the first one.
    """
    reasons = utterances.group_by("problem").agg(pl.len(), pl.col("detail").min()).sort("problem")
    return [
        f"{counted(count, 'recording')} cannot be used, the first: {detail}"
        for _, count, detail in reasons.select("problem", "len", "detail").iter_rows()
    ]


def _first(utterances: pl.DataFrame) -> str:
    return f"the first is {utterances['audio'].sort()[0]}"
