"""CREMA-D: 91 actors speak 12 sentences in 6 emotions; crowd workers rate the voice, the face, or both.

From: github.com/CheyneyComputerScience/CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D:
Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014).
Licence: Open Database License 1.0, contents Database Contents License 1.0.

Votes are published as counts without annotators, so each vote gets its own annotator id. Audio may be .wav (the
official format), .opus, .flac, .mp3 or .ogg, in AudioWAV or, where there is none, AudioMP3.
Known defects: some utterances have no audio, and 1076_MTI_SAD_XX is silent; a clone without git-lfs has pointers in
place of audio; a table cut short looks whole, so recordings without a row are rejects; 1040_ITH_SAD_X lacks a letter of
its level; the emotion in a file name is the actor's intention, not a label;
``agreement`` and the columns after it contain NA.

A row of processedResults/tabulatedVotes.csv; its first column is 100000 x modality (1 voice, 2 face, 3 both) +
a number:

    "100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11,0.909,"N",71.7,...      (A, D, F, H, N, S, fileName, ...)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.corpus import CorpusData, rejected
from ambivox.models.ingestion.layout import find_entry, require_entry
from ambivox.models.ingestion.reading import read_csv
from ambivox.models.ingestion.vote_cells import MOST_VOTES, check_total

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
# Defaults of `ambivox run`: of about nine votes per utterance, three are kept and the others evaluate the result.
RUN_DEFAULTS = {"ingest": {"keep_votes": 3}, "trial": {"votes_kept": [1, 3, 5]}}
AUDIO_SUFFIXES = (".wav", ".opus", ".flac", ".ogg", ".mp3")
_NAME = r"^(\d{4})_([A-Z]{3})_([A-Z]{3})_(XX|LO|MD|HI|X)$"
_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}


def load(root: Path, *, modality: Literal["voice", "face", "both"] = "voice") -> CorpusData:
    """Read CREMA-D.

    Args:
        root: The folder with AudioWAV, processedResults and VideoDemographics.csv.
        modality: Which votes to read: of annotators who heard the voice only (the labels for speech), saw the face
            only, or both.

    Returns:
        The utterances and votes of this modality.

    Raises:
        UserError: The layout or a file is not as described above.
    """
    votes_csv = require_entry(root, "CREMA-D", ("processedResults",), ("tabulatedVotes.csv",))
    audio = require_entry(root, "CREMA-D", ("AudioWAV", "AudioMP3"))
    demographics_csv = find_entry(root, ("VideoDemographics.csv",))
    needed = ["", *LABELS, "fileName"]
    table = read_csv(votes_csv, needed)
    # Other columns may be called like those of the result.
    given = table.select(*needed, "line", *({"numResponses"} & set(table.columns)))
    raw = given.rename({"": "number", "fileName": "utterance_id"})
    counts = pl.col(*LABELS).cast(pl.Int64, strict=False)
    rows = raw.with_columns(
        pl.col("number").cast(pl.Int64, strict=False), counts, file=pl.lit(str(votes_csv))
    )
    is_broken = (
        pl.any_horizontal(pl.col("number", "utterance_id", *LABELS).is_null())
        | pl.any_horizontal((pl.col(*LABELS) < 0) | (pl.col(*LABELS) > MOST_VOTES))
        | ~pl.col("utterance_id").str.contains(_NAME).fill_null(value=False)
    )
    expected = "expected a number, counts of A D F H N S, and a file name"
    rejects = rejected(rows.filter(is_broken), "unreadable row", expected)
    selected = rows.filter(~is_broken & (pl.col("number") // 100_000 == MODALITIES[modality]))
    name = pl.col("utterance_id").str.extract_groups(_NAME)
    files = _audio_files(audio)
    without_row = _without_row(files, selected["utterance_id"], votes_csv, modality)
    utterances = selected.select(
        "utterance_id",
        "file",
        "line",
        audio=pl.col("utterance_id")
        .replace_strict(files, default=None, return_dtype=pl.String)
        .fill_null(pl.lit(f"{audio}/") + pl.col("utterance_id") + ".wav"),
        speaker=name.struct.field("1"),
        transcript=name.struct.field("2").replace_strict(SENTENCES, default=None, return_dtype=pl.String),
        language=pl.lit("en"),
    )
    if demographics_csv is not None:
        demographics = read_csv(demographics_csv, ["ActorID", "Age", "Sex"]).select(
            speaker="ActorID",
            sex=pl.col("Sex").str.to_lowercase(),
            age=pl.col("Age").cast(pl.Float64, strict=False),
        )
        utterances = utterances.join(demographics.unique("speaker", keep="first"), on="speaker", how="left")
    return CorpusData(
        labels=tuple(LABELS.values()),
        utterances=utterances,
        votes=_votes(selected, votes_csv),
        licence="Open Database License 1.0; contents: Database Contents License 1.0",
        audio_may_be_shared=True,
        rejects=pl.concat([rejects, without_row]),
        notes=_table_notes(rows.filter(~is_broken), votes_csv, without_row.height, len(files)),
    )


def _audio_files(folder: Path) -> dict[str, str]:
    """Map utterances to audio files; of several formats, the first in AUDIO_SUFFIXES wins."""
    paths = [
        path for path in folder.iterdir() if path.name.isascii() and path.suffix.lower() in AUDIO_SUFFIXES
    ]
    paths.sort(key=lambda path: (-AUDIO_SUFFIXES.index(path.suffix.lower()), path.name))
    return {path.stem: str(path) for path in paths}


def _without_row(files: dict[str, str], known: pl.Series, votes_csv: Path, modality: str) -> pl.DataFrame:
    """Reject the recordings that the table has no row for, as after a download that broke off."""
    names = set(known)
    absent = pl.DataFrame(
        sorted((path, name) for name, path in files.items() if re.match(_NAME, name) and name not in names),
        {"file": pl.String, "utterance_id": pl.String},
        orient="row",
    )
    return rejected(
        absent, "recording without votes", f"{votes_csv} has no row of the modality {modality} for it"
    )


def _table_notes(rows: pl.DataFrame, votes_csv: Path, without_row: int, recordings: int) -> tuple[str, ...]:
    """Say what shows that the table is not whole: recordings without a row, numbers that break off, counts that differ."""
    notes = []
    numbers: list[int] = rows["number"].to_list()
    last, highest = max(numbers, default=0), max((number % 100_000 for number in numbers), default=0)
    # The modalities follow each other and number the same clips; a table in another order tells nothing.
    is_cut = rows["number"].is_sorted() and last % 100_000 != highest
    if without_row or is_cut:
        expected = f" (each modality's rows end with the number {highest})" if is_cut else ""
        notes.append(
            f"{votes_csv} ends at row {last}{expected}, and {without_row:,} of {counted(recordings, 'recording')} have no "
            "votes in it; if it was cut short, download it again"
        )
    if "numResponses" in rows.columns:
        given = pl.col("numResponses").cast(pl.Int64, strict=False)
        differing = rows.filter(given != pl.sum_horizontal(*LABELS))
        if differing.height:
            notes.append(
                f"{votes_csv}:{differing['line'][0]}: numResponses is {differing['numResponses'][0]}, but the counts have "
                f"another sum, as in {counted(differing.height, 'row')}; the counts are read"
            )
    return tuple(notes)


def intended_emotion(utterance_ids: pl.Series) -> pl.Series:
    """The emotion that the actor was told to express, from the clip's name.

    Args:
        utterance_ids: Such as 1001_IEO_NEU_XX.

    Returns:
        One emotion per utterance; null where the id is not a clip's name.

    Examples:
        >>> intended_emotion(pl.Series(["1001_IEO_NEU_XX", "other"])).to_list()
        ['neutral', None]
    """
    code = utterance_ids.str.extract(_NAME, 3)
    return code.replace_strict(_EMOTIONS, default=None, return_dtype=pl.String).alias("intended_emotion")


def _votes(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Expand counts to one row per vote; its annotator id is the number of the table's row and a running number."""
    counts = rows.unique("utterance_id", keep="first", maintain_order=True).unpivot(
        on=list(LABELS),
        index=["utterance_id", "file", "line", "number"],
        variable_name="letter",
        value_name="votes",
    )
    check_total(path, int(counts["votes"].sum()), rows.height)
    votes = counts.filter(pl.col("votes") > 0).select(pl.all().repeat_by("votes").explode())
    return votes.sort("number", "letter").select(
        "utterance_id",
        "file",
        "line",
        annotator_id=pl.format("{}/{}", "number", pl.col("letter").cum_count().over("number")),
        label=pl.col("letter").replace_strict(LABELS, return_dtype=pl.String),
    )
