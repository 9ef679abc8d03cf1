"""Any corpus in tables: one of utterances and one of votes, as CSV, TSV, JSONL, Parquet or workbook (.xlsx).

From: the user. Licence: the owner's.

Votes have one of five shapes: ``rows``, one row per vote, in a table of their own or with the utterances repeated;
``counts``, one column per label with the number of votes; ``raters``, one column per annotator; ``clips``, one row per
annotator and one column per utterance; ``list``, one cell with all votes, as a list, a dictionary, or text with a
separator. Counts and lists without names do not tell annotators apart, so each vote gets its own annotator id. Tables with
the same columns, in several files or sheets, are one. Audio paths are relative to the table of utterances, absolute, or
s3:// URLs. Columns are found by their names and content where they are not given; a mapping beside the table, written by
``ambivox table``, comes first.
Known defects: spreadsheets may change numbers and encodings; text that is neither UTF-8 nor marked as UTF-16 is read as
Windows-1252.

A row of utterances.csv:

    utterance_id,audio,transcript,speaker,split
    call_017,audio/call_017.wav,"I'd rather not.",anna,train

A row of votes.csv:

    utterance_id,annotator_id,label
    call_017,rater3,anger
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ambivox.models.ingestion.corpus import CorpusData
from ambivox.models.ingestion.table_settings import LEFT_OUT
from ambivox.models.ingestion.user_table import read_user_table


def load(
    root: Path,
    *,
    utterances: str | None = None,
    votes: str | None = None,
    speakers: str | None = None,
    sheet: str | None = None,
    votes_sheet: str | None = None,
    shape: Literal["rows", "counts", "raters", "clips", "list"] | None = None,
    labels: tuple[str, ...] = (),
    raters: tuple[str, ...] = (),
    clips: tuple[str, ...] = (),
    utterance: str | None = None,
    vote_utterance: str | None = None,
    audio: str | None = None,
    transcript: str | None = None,
    speaker: str | None = None,
    split: str | None = None,
    language: str | None = None,
    sex: str | None = None,
    age: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    weight: str | None = None,
    status: str | None = None,
    leave_out: tuple[str, ...] = LEFT_OUT,
    separator: str | None = None,
    start: str | None = None,
    end: str | None = None,
    duration: str | None = None,
    channel: str | None = None,
) -> CorpusData:
    """Read a table of utterances and its votes.

    Args:
        root: The folder that holds the tables, or the table of utterances itself.
        utterances: The table of utterances, relative to the folder; by default utterances.csv, or with another
            suffix. Delimited text may have any usual separator and encoding. A pattern (``*.csv``) names several files with
            the same columns.
        votes: The table of votes, relative to the folder; by default votes.csv, or with another suffix, or, where
            there is none, the table of utterances.
        speakers: A table with one row per speaker (sex, age, language), relative to the folder; by default speakers.csv,
            or with another suffix, where there is one.
        sheet: The sheet of utterances in a workbook, or a pattern; by default the one whose header fits.
        votes_sheet: The sheet of votes in a workbook, likewise.
        shape: The shape of the votes: rows (the default), counts, raters, clips or list.
        labels: The labels, in order; for counts the columns. By default the labels that occur, in alphabetical
            order; where given, votes with other labels are rejected.
        raters: The columns of shape raters; their names are the annotators' ids.
        clips: The columns of shape clips, one row per annotator: their names are utterance ids, or those of recordings
            in the folder.
        utterance: The column with utterance ids, in both tables (default: utterance_id).
        vote_utterance: The same column of the table of votes, where it has another name.
        audio: The column with audio paths (default: audio).
        transcript: The column with transcripts; this and the following columns of utterances are optional, and have
            the names of their options by default.
        speaker: The column with speakers.
        split: The column with splits (pretrain, train, development, test); splits are drawn where it is empty.
        language: The column with languages.
        sex: The column with the speaker's sex.
        age: The column with the speaker's age in years.
        annotator: The column with annotators (default: annotator_id); where it is missing, each vote gets its own
            annotator id.
        label: The column with labels (default: label), of shapes rows and list.
        weight: The column with weights (shape rows); by default an annotator's labels share one vote equally.
        status: The column with the state of an assignment, as MTurk and Prolific export it.
        leave_out: States whose votes are left out (upper and lower case are alike); they are counted as rejects.
        separator: The text between labels in a list that is written as text (default: ;).
        start: The column that says where in its recording an utterance begins, in seconds (in milliseconds where the
            name ends in ms), or as 1:02.5; by default a column of a usual name, if rows share a recording.
        end: The column that says where it ends.
        duration: The column with its duration, where there is no end.
        channel: The column with the channel to hear (default: channel): 1 or left, 2 or right; without it, all are
            averaged.

    Returns:
        The utterances and their human votes.

    Raises:
        UserError: A table or a column is missing or damaged.
    """
    given = {
        name: value
        for name, value in locals().items()
        if name != "root" and value not in (None, ()) and not (name == "leave_out" and value == LEFT_OUT)
    }
    return read_user_table(root, given)
