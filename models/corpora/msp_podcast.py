"""MSP-Podcast: sentences from podcasts, each judged by five or more crowd workers; releases 1.6 to 2.0.

From: the University of Texas at Dallas, on request (Lotfian, Busso: Building naturalistic emotionally
    balanced speech corpus by retrieving emotional speech from existing podcast recordings. IEEE TAFFC 10(4),
    2019).
Licence: academic or commercial licence of the university; the podcasts are under Creative Commons licences.

The workers' major emotion is their vote; the second emotions are not. Other is followed by free text, which
is dropped. Known defects: speakers that are Unknown, files without a transcript, sentences that only one of
the label files names. The official splits are kept; Test1, Test2 and Test3 are all test unless ``tests`` says
otherwise.

A row of Labels/labels_consensus.csv, and the three shapes of every worker's answer:

    MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,127,Female,Train
    labels_detailed.csv    FileName,Worker,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom
    labels_detailed.csv    FileName,EmoDetail: "WORKER00000005; Neutral; Neutral,Concerned; A:2.0; V:5.0;
    D:4.0;" labels_detailed.json   {file: {worker: {EmoClass_Major, EmoClass_Second, EmoAct, EmoVal, EmoDom}}}
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, rejected, require_layout
from ambivox.models.ingestion.reading import read_csv, read_text
from ambivox.models.parallel import map_in_batches

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
TESTS = ("Test1", "Test2", "Test3")
_SPLITS = {"train": "train", "development": "development", "validation": "development"}
_WORKER_COLUMNS = ("Worker", "Workers")


def load(root: Path, *, tests: tuple[str, ...] = TESTS) -> CorpusData:
    """Read MSP-Podcast.

    Args:
        root: The folder with Labels, Audios and (if there) Transcripts.
        tests: The official test sets to keep as test; sentences of others are left out and counted.

    Raises:
        UserError: the layout or a label file is not as described above.
    """
    require_layout(root, ["Labels/labels_consensus.csv"], "MSP-Podcast")
    consensus = root / "Labels" / "labels_consensus.csv"
    rows = read_csv(consensus, ["FileName", "SpkrID", "Gender", "Split_Set"]).with_columns(
        file=pl.lit(str(consensus))
    )
    rows = rows.with_columns(utterance_id=_stem("FileName"), _set=pl.col("Split_Set").str.to_lowercase())
    is_test = pl.col("_set").str.contains(r"^test\d*$")
    split = (
        pl.when(is_test).then(pl.lit("test")).otherwise(pl.col("_set").replace_strict(_SPLITS, default=None))
    )
    rows = rows.with_columns(split=split)
    broken = pl.any_horizontal(pl.col("FileName", "split").is_null())
    detail = pl.format("Split_Set is {}", pl.col("Split_Set").fill_null("missing"))
    left_out = is_test & ~pl.col("_set").is_in([name.lower() for name in tests])
    notes = (
        [f"{number} sentences of other test sets than {', '.join(tests)} are left out"]
        if (number := rows.filter(~broken & left_out).height)
        else []
    )
    utterances = _utterances(rows.filter(~broken & ~left_out), root)
    votes, bad_votes, shape = _votes(root / "Labels")
    votes = votes.join(rows.filter(~broken & left_out), on="utterance_id", how="anti")
    return CorpusData(
        labels=tuple(LABELS.values()),
        utterances=utterances,
        votes=votes,
        licence="MSP-Podcast licence of the University of Texas at Dallas",
        rejects=pl.concat([rejected(rows.filter(broken), "unreadable row", detail), bad_votes]),
        notes=(f"votes are from {shape}", *notes),
    )


def _stem(column: str) -> pl.Expr:
    """A file name without its suffix."""
    return pl.col(column).str.replace(r"\.[A-Za-z0-9]+$", "")


def _utterances(rows: pl.DataFrame, root: Path) -> pl.DataFrame:
    audio = next((root / name for name in ("Audios", "Audio") if (root / name).is_dir()), root / "Audios")
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
    words = _transcripts(root / "Transcripts", known["utterance_id"].to_list())
    return known.with_columns(pl.Series("transcript", words, dtype=pl.String))


def _transcripts(folder: Path, utterance_ids: list[str]) -> list[str | None]:
    """What was said, where there is a file of it that is not blank."""
    there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()

    def words(utterance_id: str) -> str | None:
        name = f"{utterance_id}.txt"
        return " ".join(read_text(f"{folder}/{name}")[0].split()) or None if name in there else None

    with ThreadPoolExecutor() as pool:
        return list(map_in_batches(pool, words, utterance_ids, "reading transcripts"))


def _votes(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Every worker's major emotion, what could not be read, and the shape that was found.

    Raises:
        UserError: none of the three shapes is there, or the file is damaged.
    """
    table, tree = folder / "labels_detailed.csv", folder / "labels_detailed.json"
    if table.exists():
        rows = read_csv(table, ["FileName"]).with_columns(
            file=pl.lit(str(table)), utterance_id=_stem("FileName")
        )
        worker = next((name for name in _WORKER_COLUMNS if name in rows.columns), None)
        if "EmoDetail" in rows.columns:
            return (*_packed(rows), f"{table.name}, packed")
        if worker is None or "EmoClass_Major" not in rows.columns:
            raise UserError(
                f"{table}: expected columns FileName and EmoDetail, or FileName, Worker and EmoClass_Major; "
                f"found {[name for name in rows.columns if name not in ('line', 'file', 'utterance_id')]}"
            )
        return (*_named(rows, worker), table.name)
    if tree.exists():
        return (*_from_tree(tree), tree.name)
    raise UserError(f"{folder}: neither {table.name} nor {tree.name} is here; they hold the workers' votes")


def _named(rows: pl.DataFrame, worker: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One column for each part of an answer."""
    cut = pl.any_horizontal(pl.col("utterance_id", worker, "EmoClass_Major").is_null())
    votes = rows.filter(~cut).select(
        "utterance_id", "file", "line", annotator_id=worker, label=_label(pl.col("EmoClass_Major"))
    )
    return votes, rejected(
        rows.filter(cut), "unreadable row", "a file, a worker and a major emotion are expected"
    )


def _packed(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """An answer in one column: worker; major; seconds; A:activation; V:valence; D:dominance;"""
    parts = rows.with_columns(
        pl.col("EmoDetail")
        .str.extract_groups(r"^\s*([^;]+?)\s*;\s*([^;]+?)\s*;.*;?\s*A:[^;]*;\s*V:[^;]*;\s*D:")
        .alias("_")
    ).unnest("_")
    cut = pl.any_horizontal(pl.col("utterance_id", "1", "2").is_null())
    votes = parts.filter(~cut).select(
        "utterance_id", "file", "line", annotator_id="1", label=_label(pl.col("2"))
    )
    return votes, rejected(parts.filter(cut), "unreadable row", pl.col("EmoDetail").fill_null("no EmoDetail"))


def _from_tree(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """File -> worker -> answer. Of each answer only the major emotion is kept while parsing, to save memory."""
    text, _ = read_text(path)
    try:
        files = json.loads(text, object_pairs_hook=_answer_or_pairs)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}:{error.lineno}: not readable as JSON, perhaps cut short: {error.msg}"
        ) from error
    del text
    if not isinstance(files, list):
        raise UserError(f"{path}: expected an object of files, each an object of workers")
    names, workers, majors = [], [], []
    for name, answers in files:
        for worker, major in answers if isinstance(answers, list) else [(None, answers)]:
            names.append(name)
            workers.append(worker)
            majors.append(major if isinstance(major, str) else None)
    kinds = {"FileName": pl.String, "Worker": pl.String, "EmoClass_Major": pl.String}
    rows = pl.DataFrame({"FileName": names, "Worker": workers, "EmoClass_Major": majors}, schema=kinds)
    rows = rows.with_columns(
        utterance_id=_stem("FileName"), file=pl.lit(str(path)), line=pl.lit(None, pl.Int64)
    )
    return _named(rows, "Worker")


def _answer_or_pairs(pairs: list[tuple[str, Any]]) -> Any:
    """The major emotion of an answer; the pairs of any other object, so that a doubled key is not lost."""
    for name, value in pairs:
        if name == "EmoClass_Major":
            return value
    return pairs


def _label(major: pl.Expr) -> pl.Expr:
    """Our word for a major emotion; whatever is not known stays as it is, for ingest to reject."""
    lower = major.str.strip_chars().str.to_lowercase()
    word = pl.when(lower.str.contains(r"^other\b")).then(pl.lit("other")).otherwise(lower.replace(LABELS))
    return pl.when(word.is_in(list(LABELS.values()))).then(word).otherwise(major)
