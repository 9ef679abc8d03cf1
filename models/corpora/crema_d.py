"""CREMA-D: 91 actors say 12 sentences in 6 emotions; crowd workers judge voice, face, and both.

From: github.com/CheyneyComputerScience/CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D:
Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014).
Licence: Open Database License 1.0, contents Database Contents License 1.0.

Votes are published as counts, so raters have no identity here: each vote gets an annotator of its own.
Known defects: some clips have no audio; the emotion in a file's name is what the actor meant, not a label;
``agreement`` and the columns after it hold NA. Audio may be .wav (official), .opus, .flac, .mp3 or .ogg.

A row of processedResults/tabulatedVotes.csv, its first column 100000 x modality (1 voice, 2 face, 3 both) +
number:

    "100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11,0.909,"N",71.7,...      (A, D, F, H, N, S, fileName, ...)
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.ingestion.corpus import Loaded, rejected, require_layout
from ambivox.models.ingestion.reading import read_csv

LABELS = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
MODALITIES = {"voice": 1, "face": 2, "both": 3}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
# How `ambivox run` uses the corpus unless told otherwise: with nine raters a clip, three votes are kept and the
# rest judges the result.
RUN_DEFAULTS = {"ingest": {"keep_votes": 3}, "trial": {"votes_kept": [1, 3, 5]}}
AUDIO_SUFFIXES = (".wav", ".opus", ".flac", ".ogg", ".mp3")
_NAME = r"^(\d{4})_([A-Z]{3})_([A-Z]{3})_(XX|LO|MD|HI|X)$"


def load(root: Path, *, modality: Literal["voice", "face", "both"] = "voice") -> Loaded:
    """Read CREMA-D.

    Args:
        root: The folder with AudioWAV, processedResults and VideoDemographics.csv.
        modality: Whose votes: of those who heard the voice only (the labels for speech), saw the face only,
            or had both.

    Raises:
        UserError: the layout or a file is not as described above.
    """
    table, people = root / "processedResults" / "tabulatedVotes.csv", root / "VideoDemographics.csv"
    require_layout(root, ["AudioWAV", "processedResults/tabulatedVotes.csv"], "CREMA-D")
    raw = read_csv(table, ["", *LABELS, "fileName"]).rename({"": "number", "fileName": "utterance_id"})
    counts = pl.col(*LABELS).cast(pl.Int64, strict=False)
    rows = raw.with_columns(pl.col("number").cast(pl.Int64, strict=False), counts, file=pl.lit(str(table)))
    broken = (
        pl.any_horizontal(pl.col("number", "utterance_id", *LABELS).is_null())
        | pl.any_horizontal(pl.col(*LABELS) < 0)
        | ~pl.col("utterance_id").str.contains(_NAME).fill_null(value=False)
    )
    expected = "expected a number, counts of A D F H N S, and a file name"
    rejects = rejected(rows.filter(broken), "unreadable row", expected)
    heard = rows.filter(~broken & (pl.col("number") // 100_000 == MODALITIES[modality]))
    name = pl.col("utterance_id").str.extract_groups(_NAME)
    utterances = heard.select(
        "utterance_id",
        "file",
        "line",
        audio=pl.col("utterance_id")
        .replace_strict(_audio(root), default=None, return_dtype=pl.String)
        .fill_null(pl.lit(f"{root / 'AudioWAV'}/") + pl.col("utterance_id") + ".wav"),
        speaker=name.struct.field("1"),
        transcript=name.struct.field("2").replace_strict(SENTENCES, default=None, return_dtype=pl.String),
        language=pl.lit("en"),
    )
    if people.exists():
        demographics = read_csv(people, ["ActorID", "Age", "Sex"]).select(
            speaker="ActorID",
            sex=pl.col("Sex").str.to_lowercase(),
            age=pl.col("Age").cast(pl.Float64, strict=False),
        )
        utterances = utterances.join(demographics.unique("speaker", keep="first"), on="speaker", how="left")
    return Loaded(
        labels=tuple(LABELS.values()),
        utterances=utterances,
        votes=_votes(heard),
        licence="Open Database License 1.0; contents: Database Contents License 1.0",
        rejects=rejects,
    )


def _audio(root: Path) -> dict[str, str]:
    """The audio files there are, by name; where one is there twice, the earlier suffix of AUDIO_SUFFIXES."""
    found = [path for path in (root / "AudioWAV").iterdir() if path.suffix.lower() in AUDIO_SUFFIXES]
    found.sort(key=lambda path: (-AUDIO_SUFFIXES.index(path.suffix.lower()), path.name))
    return {path.stem: str(path) for path in found}


def _votes(heard: pl.DataFrame) -> pl.DataFrame:
    """One row a vote, from counts; its annotator is the table's row and a number, and votes once."""
    counts = heard.unique("utterance_id", keep="first", maintain_order=True).unpivot(
        on=list(LABELS),
        index=["utterance_id", "file", "line", "number"],
        variable_name="letter",
        value_name="votes",
    )
    each = counts.filter(pl.col("votes") > 0).select(pl.all().repeat_by("votes").explode())
    return each.sort("number", "letter").select(
        "utterance_id",
        "file",
        "line",
        annotator_id=pl.format("{}/{}", "number", pl.col("letter").cum_count().over("number")),
        label=pl.col("letter").replace_strict(LABELS, return_dtype=pl.String),
    )
