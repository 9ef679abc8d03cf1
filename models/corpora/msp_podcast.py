"""MSP-Podcast: sentences from podcasts, each rated by five or more crowd workers; releases 1.6 to 2.0.

From: the University of Texas at Dallas, on request (Lotfian, Busso: Building naturalistic emotionally
    balanced speech corpus by retrieving emotional speech from existing podcast recordings. IEEE TAFFC 10(4),
    2019).
Licence: academic or commercial licence of the university; the podcasts are under Creative Commons licences.

A worker's vote is the major emotion; secondary emotions are not read, nor is the free text after Other. The official
splits are kept; Test1, Test2 and Test3 (in release 1.6: Test) are all test unless ``tests`` selects some of them.
Releases differ in spelling: Labels, labels or label; labels_consensus.csv or labels_concensus.csv; Audios or Audio;
Development or Validation.
Arousal (activation), valence and dominance are rated from 1 to 7: the workers' ratings and the consensus, which is their
mean, are read where a release has them.
Known defects: speakers given as Unknown, files without a transcript, sentences that only one of the label files lists.

A row of Labels/labels_consensus.csv (file, emotion, three dimensions, speaker, gender, split):

    MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,127,Female,Train

The workers' answers come in one of three formats: labels_detailed.csv with one column per part of an answer ("named"),
labels_detailed.csv with the answer in one column ("packed"), or labels_detailed.json:

    FileName,Worker,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom
    FileName,EmoDetail            with EmoDetail "WORKER00000005; Neutral; Neutral,Concerned; A:2.0; V:5.0; D:4.0;"
    {file: {worker: {EmoClass_Major, EmoClass_Second, EmoAct, EmoVal, EmoDom}}}
"""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, rejected
from ambivox.models.ingestion.layout import find_entry, require_entry
from ambivox.models.ingestion.reading import read_csv, read_text
from ambivox.models.ingestion.unlisted_recordings import unlisted_note
from ambivox.models.parallel import map_in_batches
from ambivox.models.processes.garbage_collection import without_garbage_collection

LABELS = {
    "angry": "anger",
    "sad": "sadness",
    "happy": "happiness",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "contempt": "contempt",
    "neutral": "neutral",
    "other": "other",
}
TESTS = ("Test", "Test1", "Test2", "Test3")
_SPLITS = {
    "train": "train",
    "development": "development",
    "dev": "development",
    "validation": "development",
}
_LABEL_FOLDERS = ("Labels", "label")
_CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv")
_AUDIO_FOLDERS = ("Audios", "Audio")
_TRANSCRIPT_FOLDERS = ("Transcripts", "Transcript")
_WORKER_COLUMNS = ("Worker", "Workers")
_RATED = {"arousal": "EmoAct", "valence": "EmoVal", "dominance": "EmoDom"}
_SCALE = (1.0, 7.0)
_ANSWER = ("EmoClass_Major", *_RATED.values())


class _Answer(NamedTuple):
    """What is read of a worker's answer in the JSON file, in the order of _ANSWER."""

    major: str | None = None
    arousal: str | None = None
    valence: str | None = None
    dominance: str | None = None


# An escape of JSON for half of a character, which no table holds.
_HALF_PAIR_STARTS = ("\\ud", "\\uD")  # of every one; to look for them is ten times as fast as the pattern
_HALF_PAIR = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def load(root: Path, *, tests: tuple[str, ...] = TESTS) -> CorpusData:
    """Read MSP-Podcast.

    Args:
        root: The folder with Labels, Audios and (if there) Transcripts, as the release spells them.
        tests: The official test sets to read as the test split; sentences of the others are left out and counted.

    Returns:
        The sentences and the workers' votes.

    Raises:
        UserError: The layout or a label file is not as described above.
    """
    consensus = require_entry(root, "MSP-Podcast", _LABEL_FOLDERS, _CONSENSUS)
    rows = read_csv(consensus, ["FileName", "SpkrID", "Gender", "Split_Set"]).with_columns(
        file=pl.lit(str(consensus))
    )
    rows = rows.with_columns(utterance_id=_stem("FileName"), _set=_set_name(pl.col("Split_Set")))
    is_test = pl.col("_set").str.contains(r"^test\d*$")
    split = (
        pl.when(is_test).then(pl.lit("test")).otherwise(pl.col("_set").replace_strict(_SPLITS, default=None))
    )
    rows = rows.with_columns(split=split)
    is_broken = pl.any_horizontal(pl.col("FileName", "split").is_null())
    detail = pl.format("Split_Set is {}", pl.col("Split_Set").fill_null("missing"))
    selected = [re.sub(r"[\s_-]", "", name.lower()) for name in tests]
    is_left_out = is_test & ~pl.col("_set").is_in(selected)
    notes = (
        [f"{number} sentences of other test sets than {', '.join(tests)} are left out"]
        if (number := rows.filter(~is_broken & is_left_out).height)
        else []
    )
    utterances = _utterances(rows.filter(~is_broken & ~is_left_out), root)
    votes, bad_votes, ratings, source = _votes(consensus.parent)
    votes = votes.join(rows.filter(~is_broken & is_left_out), on="utterance_id", how="anti")
    means = _ratings(rows.filter(~is_broken), pl.lit(None, pl.String))
    ratings = pl.concat([means, ratings]).join(utterances, on="utterance_id", how="semi")
    without = utterances.join(votes, on="utterance_id", how="anti").height
    if without:
        notes.append(
            f"{without:,} of {utterances.height:,} sentences of {consensus.name} have no answers in {source}; if it was "
            "cut short, get it again"
        )
    folder = _audio_folder(root)
    named = (f"{folder}/{name}" for name in rows["FileName"].drop_nulls())
    notes += unlisted_note(named, consensus.name, [str(folder)])
    return CorpusData(
        labels=tuple(LABELS.values()),
        utterances=utterances,
        votes=votes,
        licence="MSP-Podcast licence of the University of Texas at Dallas",
        rejects=pl.concat([rejected(rows.filter(is_broken), "unreadable row", detail), bad_votes]),
        ratings=ratings.with_columns(lowest=pl.lit(_SCALE[0]), highest=pl.lit(_SCALE[1])),
        notes=(f"votes are from {source}", *notes),
    )


def _set_name(split_set: pl.Expr) -> pl.Expr:
    """Write the name of a split in one way: Test1, test_1 and "Test 1" are the same."""
    return split_set.str.to_lowercase().str.replace_all(r"[\s_-]", "")


def _stem(column: str) -> pl.Expr:
    """Remove the suffix of a file name."""
    return pl.col(column).str.replace(r"\.[A-Za-z0-9]+$", "")


def _audio_folder(root: Path) -> Path:
    return find_entry(root, _AUDIO_FOLDERS) or root / "Audios"


def _utterances(rows: pl.DataFrame, root: Path) -> pl.DataFrame:
    audio = _audio_folder(root)
    speaker = pl.col("SpkrID")
    sex = pl.col("Gender").str.to_lowercase()
    known = rows.select(
        "utterance_id",
        "split",
        "file",
        "line",
        audio=pl.lit(f"{audio}/") + pl.col("FileName"),
        speaker=pl.when(speaker.str.to_lowercase() != "unknown").then(speaker),
        sex=pl.when(sex.is_in(["female", "male"])).then(sex),
        language=pl.lit("en"),
    )
    transcripts = _transcripts(find_entry(root, _TRANSCRIPT_FOLDERS), known["utterance_id"].to_list())
    return known.with_columns(pl.Series("transcript", transcripts, dtype=pl.String))


def _transcripts(folder: Path | None, utterance_ids: list[str]) -> list[str | None]:
    """Read the transcript of each utterance; None where there is no file or it is blank."""
    file_names = {entry.name for entry in os.scandir(folder)} if folder and folder.is_dir() else set()

    def transcript(utterance_id: str) -> str | None:
        name = f"{utterance_id}.txt"
        return " ".join(read_text(f"{folder}/{name}")[0].split()) or None if name in file_names else None

    with ThreadPoolExecutor() as pool:
        return list(map_in_batches(pool, transcript, utterance_ids, "reading transcripts"))


def _ratings(rows: pl.DataFrame, annotator: pl.Expr) -> pl.DataFrame:
    """Read the dimensions in columns named as the corpus names them; rows that rate none are left out."""
    numbers = [
        (
            pl.col(column).cast(pl.Float64, strict=False)
            if column in rows.columns
            else pl.lit(None, pl.Float64)
        ).alias(name)
        for name, column in _RATED.items()
    ]
    ratings = rows.select("utterance_id", *numbers, "file", "line", annotator_id=annotator)
    return ratings.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _RATED))


def _votes(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, str]:
    """Read every worker's major emotion; returns votes, rejects, ratings, and which of the formats was there."""
    csv_path = find_entry(folder, ("labels_detailed.csv",))
    json_path = find_entry(folder, ("labels_detailed.json",))
    if csv_path is not None:
        rows = read_csv(csv_path, ["FileName"]).with_columns(
            file=pl.lit(str(csv_path)), utterance_id=_stem("FileName")
        )
        worker = next((name for name in _WORKER_COLUMNS if name in rows.columns), None)
        if "EmoDetail" in rows.columns:
            return (*_packed(rows), f"{csv_path.name}, packed")
        if worker is None or "EmoClass_Major" not in rows.columns:
            raise UserError(
                f"{csv_path}: expected columns FileName and EmoDetail, or FileName, Worker and EmoClass_Major; "
                f"found {[name for name in rows.columns if name not in ('line', 'file', 'utterance_id')]}"
            )
        return (*_named(rows, worker), csv_path.name)
    if json_path is not None:
        return (*_from_json(json_path), json_path.name)
    raise UserError(
        f"{folder}: neither labels_detailed.csv nor labels_detailed.json is here; expected one of them with the workers' votes"
    )


def _named(rows: pl.DataFrame, worker: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read answers with one column per part."""
    is_broken = pl.any_horizontal(pl.col("utterance_id", worker, "EmoClass_Major").is_null())
    votes = rows.filter(~is_broken).select(
        "utterance_id", "file", "line", annotator_id=worker, label=_label(pl.col("EmoClass_Major"))
    )
    rejects = rejected(
        rows.filter(is_broken), "unreadable row", "a file, a worker and a major emotion are expected"
    )
    return votes, rejects, _ratings(rows.filter(~is_broken), pl.col(worker))


def _packed(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read answers in one column, ``worker; major; secondary; A:activation; V:valence; D:dominance;``."""
    # Other columns may be called like those of the result.
    parts = (
        rows.select("utterance_id", "EmoDetail", "file", "line")
        .with_columns(
            pl.col("EmoDetail")
            .str.extract_groups(r"^\s*([^;]+?)\s*;\s*([^;]+?)\s*;.*;?\s*A:[^;]*;\s*V:[^;]*;\s*D:")
            .alias("_")
        )
        .unnest("_")
    )
    parts = parts.with_columns(
        pl.col("EmoDetail").str.extract(rf";\s*{letter}:\s*([\d.]+)\s*;").alias(column)
        for letter, column in (("A", "EmoAct"), ("V", "EmoVal"), ("D", "EmoDom"))
    )
    is_broken = pl.any_horizontal(pl.col("utterance_id", "1", "2").is_null())
    votes = parts.filter(~is_broken).select(
        "utterance_id", "file", "line", annotator_id="1", label=_label(pl.col("2"))
    )
    rejects = rejected(
        parts.filter(is_broken), "unreadable row", pl.col("EmoDetail").fill_null("no EmoDetail")
    )
    return votes, rejects, _ratings(parts.filter(~is_broken), pl.col("1"))


def _from_json(path: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read file -> worker -> answer. The parser keeps only what is read of each answer, to save memory."""
    text, _ = read_text(path)
    if any(start in text for start in _HALF_PAIR_STARTS) and _HALF_PAIR.search(text):
        raise UserError(f"{path}: holds a character that is half of a surrogate pair; expected UTF-8")
    try:
        with without_garbage_collection():
            files = json.loads(text, object_pairs_hook=_answer_or_pairs)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}: not readable as JSON, perhaps cut short: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: JSON with a number or nesting that is too large") from error
    del text
    parts: list[tuple[str | None, ...]] = []
    for name, answers in _pairs(files, path):
        # An object of workers is a list of pairs by now; anything else is an answer without a worker.
        for worker, answer in answers if _is_object(answers) else [(None, answers)]:
            parts.append((name, worker, *(answer if isinstance(answer, _Answer) else _Answer())))
    kinds = dict.fromkeys(("FileName", "Worker", *_ANSWER), pl.String)
    rows = pl.DataFrame(parts, schema=kinds, orient="row")
    rows = rows.with_columns(
        utterance_id=_stem("FileName"), file=pl.lit(str(path)), line=pl.lit(None, pl.Int64)
    )
    return _named(rows, "Worker")


def _pairs(files: Any, path: Path) -> list[tuple[str, Any]]:
    """The object of files as pairs; a list, which JSON has too, is none."""
    if not _is_object(files):
        raise UserError(f"{path}: expected an object of files, each an object of workers")
    return files


def _is_object(value: Any) -> bool:
    """Whether this was a JSON object, which the parser makes a list of pairs."""
    return isinstance(value, list) and all(
        isinstance(each, tuple) and not isinstance(each, _Answer) for each in value
    )


def _answer_or_pairs(pairs: list[tuple[str, Any]]) -> Any:
    """Return the major emotion and the ratings of an answer, and any other object as pairs, which keep duplicate keys."""
    answer = dict(reversed(pairs))  # of keys that occur twice, the first counts
    if _ANSWER[0] not in answer:
        return pairs
    major, *ratings = map(answer.get, _ANSWER)
    # A list and a tuple of kinds, as this runs once per vote: a generator and a union take twice the time.
    numbers = [
        sys.intern(str(rating)) if isinstance(rating, (str, int, float)) else None for rating in ratings
    ]
    return _Answer(major if isinstance(major, str) else None, *numbers)


def _label(major: pl.Expr) -> pl.Expr:
    """Map a major emotion to a label; an unknown one stays unchanged, so that ingest rejects it."""
    lowered = major.str.strip_chars().str.to_lowercase()
    label = (
        pl.when(lowered.str.contains(r"^other\b")).then(pl.lit("other")).otherwise(lowered.replace(LABELS))
    )
    return pl.when(label.is_in(list(LABELS.values()))).then(label).otherwise(major)
