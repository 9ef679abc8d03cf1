"""Small tables of votes on four recordings, as people keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ambivox.models.ingestion.corpus import CorpusData

CLIPS = ("vera 1", "vera 2", "otto 1", "otto 2")
RATERS = ("kim", "lou", "max")
VOTES = (("joy", "joy", "fear"), ("calm", "joy", "calm"), ("fear", "fear", "calm"), ("calm", "calm", "joy"))


def write_recordings(folder: Path) -> None:
    """Write the four recordings, of different lengths, to a folder Ton."""
    (folder / "Ton").mkdir()
    for number, clip in enumerate(CLIPS):
        wave = 0.1 * np.sin(np.arange(1600 + 100 * number) / 7)
        soundfile.write(folder / f"Ton/{clip}.wav", wave, 16_000)


def rows(name: str = "Ton/{}.wav") -> list[list[str]]:
    """Audio, speaker, rater and label of every vote."""
    return [
        [name.format(clip), clip[:4], rater, label]
        for clip, labels in zip(CLIPS, VOTES, strict=True)
        for rater, label in zip(RATERS, labels, strict=True)
    ]


def write(
    path: Path, header: list[str], lines: list[list[str]], encoding: str = "utf-8", by: str = ","
) -> None:
    text = "".join(by.join(line) + "\n" for line in [header, *lines])
    path.write_bytes(text.encode(encoding))


def votes_of(data: CorpusData) -> dict[tuple[str, str], set[str]]:
    """Labels by recording and annotator."""
    joined = data.votes.join(data.utterances.select("utterance_id", "audio"), on="utterance_id")
    found: dict[tuple[str, str], set[str]] = {}
    for audio, annotator, label in joined.select("audio", "annotator_id", "label").drop_nulls().rows():
        found.setdefault((Path(audio).stem, annotator), set()).add(label)
    return found


def expected() -> dict[tuple[str, str], set[str]]:
    return {(Path(audio).stem, rater): {label} for audio, _, rater, label in rows()}
