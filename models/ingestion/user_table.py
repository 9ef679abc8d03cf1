"""Reading a user's tables as they are mapped: by options, by the mapping beside them, or by names and content."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.assignments import is_left_out, rejected_assignments, status_note
from ambivox.models.ingestion.audio_paths import resolve_audio, with_audio
from ambivox.models.ingestion.cleaning import clean_utterances, clean_votes
from ambivox.models.ingestion.clip_columns import rows_of_clips
from ambivox.models.ingestion.columns import MissingColumnsError, NoNamedTableError
from ambivox.models.ingestion.corpus import CorpusData, rejected
from ambivox.models.ingestion.count_columns import percent_note
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.free_text_labels import fold_other
from ambivox.models.ingestion.nested import audio_paths, refuse_nested
from ambivox.models.ingestion.optional_columns import optional_columns
from ambivox.models.ingestion.proposal import propose
from ambivox.models.ingestion.proposed_options import OPTIONAL_ROLES
from ambivox.models.ingestion.segment_columns import SegmentColumns
from ambivox.models.ingestion.segments import distinct_ids, reject_unreadable, table_segments
from ambivox.models.ingestion.speaker_table import join_speakers
from ambivox.models.ingestion.table_files import find_speakers, find_tables, list_sources, no_table
from ambivox.models.ingestion.table_parts import find_parts, place_in_text, places, read_parts
from ambivox.models.ingestion.table_settings import column_of, read_settings
from ambivox.models.ingestion.unlisted_recordings import unlisted_note
from ambivox.models.ingestion.utterance_rows import (
    one_row_per_utterance,
    read_splits,
    reject_ambiguous,
    reject_votes_on,
    text_column,
)
from ambivox.models.ingestion.vote_ids import match_ids, repeated_votes, split_labels
from ambivox.models.ingestion.vote_tables import label_set, read_votes, with_annotators
from ambivox.models.ingestion.workbooks import sheet_notes

_DISTINCT_ID = "ambivox:id"


def read_user_table(root: Path, given: Mapping[str, Any]) -> CorpusData:
    """Read a table of utterances and its votes.

    Args:
        root: The folder that holds the tables, or the table of utterances.
        given: Options of the corpus ``table`` that the caller gave.

    Returns:
        The utterances and their human votes.

    Raises:
        UserError: A table is missing or damaged, or it is unclear which columns hold what.
    """
    settings = read_settings(root, given)
    try:
        return _read(root, settings, [])
    except MissingColumnsError as error:
        sources, left_out = list_sources(root, settings)
        if not sources:
            raise no_table(root) from error
        proposal = propose(sources, settings)
        if not proposal.options or not proposal.is_sure:
            unclear = "; ".join([*proposal.missing, *proposal.doubts, *left_out])
            # That no table has the usual name is not what is wrong where one was found.
            is_found = isinstance(error, NoNamedTableError) and unclear
            raise UserError(
                f"{f'{root}: {unclear}' if is_found else error}; `ambivox table {shlex.quote(str(root))}` shows what the "
                f"columns probably are{f' ({unclear})' if unclear and not is_found else ''}, and takes corrections"
            ) from error
        lists = {name: tuple(value) for name, value in proposal.options.items() if isinstance(value, list)}
        note = f"columns were found by their names and content: {proposal.describe()}"
        return _read(root, proposal.options | lists | settings, [note, *proposal.hints, *left_out])


def _read(root: Path, settings: Mapping[str, Any], notes: list[str]) -> CorpusData:
    path, votes_path = find_tables(root, settings)
    table, vote_table = _read_tables(path, votes_path, settings, notes)
    parts_of = {str(votes_path): find_parts(votes_path, settings.get("votes_sheet", settings.get("sheet")))}
    parts_of[str(path)] = find_parts(path, settings.get("sheet"))
    try:
        data = _assemble(root, settings, (path, table), (votes_path, vote_table), notes)
    except UserError as error:
        raise UserError(place_in_text(str(error), parts_of)) from error
    votes, utterances, rejects = (
        places(rows, parts_of) for rows in (data.votes, data.utterances, data.rejects)
    )
    return replace(data, votes=votes, utterances=utterances, rejects=rejects)


def _assemble(
    root: Path,
    settings: Mapping[str, Any],
    utterances: tuple[Path, pl.DataFrame],
    cast_votes: tuple[Path, pl.DataFrame],
    notes: list[str],
) -> CorpusData:
    """The corpus of two tables, which may be one."""
    (path, table), (votes_path, vote_table) = utterances, cast_votes
    if settings.get("shape") == "clips":
        table, vote_table, settings = _with_rows(table, votes_path, vote_table, settings)
    shape = settings.get("shape", "rows")
    is_one = table is vote_table
    optional = optional_columns(table, vote_table, settings, notes)
    utterance, audio = column_of(settings, "utterance"), column_of(settings, "audio")
    table = audio_paths(path, table, audio)
    refuse_nested(
        path, table, [utterance, audio, *(optional[role] for role in OPTIONAL_ROLES if role in optional)]
    )
    segments, segment_notes = _segments(path, table, settings, optional)
    notes += segment_notes
    if is_one:
        ids, recordings = (table.select(text_column(column)).to_series() for column in (utterance, audio))
        told_apart, id_notes = distinct_ids(ids, recordings, segments)
        notes += id_notes
        if not told_apart.equals(ids):
            # The id may be the audio path, which stays.
            utterance = _DISTINCT_ID
            table = table.with_columns(told_apart.alias(utterance))
            settings = {**settings, "utterance": utterance}
        vote_table = table
    selected = table.select(
        pl.col(LINE).alias("line"),
        text_column(utterance).alias("utterance_id"),
        text_column(audio).alias("audio"),
        pl.lit(str(path)).alias("file"),
        *(text_column(optional[role]).alias(role) for role in OPTIONAL_ROLES if role in optional),
    )
    selected = pl.concat([selected, segments], how="horizontal")
    if (speakers := find_speakers(root, settings)) is not None and (
        "speaker" in optional or "speakers" in settings
    ):
        selected, speaker_notes = join_speakers(selected, speakers, settings)
        notes += speaker_notes
    if is_one:
        selected, row_notes = one_row_per_utterance(selected)
        notes += row_notes
    selected, utterance_notes = clean_utterances(selected)
    selected, ambiguous = reject_ambiguous(selected)
    listed = selected["utterance_id"]
    selected, bad_segments = reject_unreadable(selected)
    selected, foreign_audio, audio_notes = resolve_audio(selected, path.parent)
    audio_notes += unlisted_note(selected["audio"].drop_nulls(), path.name)
    normalised, bad_splits = read_splits(selected)
    bad_utterances = pl.concat([ambiguous, bad_segments, foreign_audio, bad_splits])
    votes = read_votes(votes_path, vote_table, settings, optional)
    notes += status_note(vote_table, settings)
    if shape == "counts" and "annotator" not in optional:
        notes += percent_note(vote_table, settings["labels"])
    status_rejects = rejected_assignments(votes, settings, votes_path)
    votes = votes.filter(~is_left_out(settings)) if "status" in votes.columns else votes
    labels: tuple[str, ...] = settings.get("labels", ()) if shape != "counts" else ()
    votes, id_notes = match_ids(votes.drop("status", strict=False), listed)
    votes, votes_on_them = reject_votes_on(votes, bad_utterances, normalised["utterance_id"], votes_path)
    if shape != "counts":
        folded, other_notes = fold_other(votes["label"], labels)
        votes, id_notes = votes.with_columns(folded), [*id_notes, *other_notes]
    if shape in ("rows", "raters"):
        votes, several_notes = split_labels(with_annotators(votes), labels)
        id_notes += several_notes + (repeated_votes(votes) if shape == "rows" else [])
    votes, vote_notes = clean_votes(votes, labels, normalised["utterance_id"])
    # The rows of a table that are no votes, such as totals at its end, have no labels.
    is_known = votes["utterance_id"].is_in(with_audio(normalised)["utterance_id"].implode())
    found_labels = labels or label_set(votes.filter(is_known) if is_known.any() else votes, settings)
    if not found_labels:
        raise UserError(
            f"{votes_path}: there are no votes, so the labels are unknown; name them with --options.labels a,b,c"
        )
    is_human = (
        pl.col("annotator_kind") == "human" if "annotator_kind" in votes.columns else pl.lit(value=True)
    )
    votes = with_annotators(votes).with_columns(file=pl.lit(str(votes_path)))
    alm_votes = rejected(votes.filter(~is_human), "vote of an ALM", "only human votes are ingested")
    return CorpusData(
        found_labels,
        normalised,
        votes.filter(is_human),
        licence="the owner's",
        rejects=pl.concat([bad_utterances, votes_on_them, alm_votes, status_rejects]),
        notes=(*notes, *utterance_notes, *audio_notes, *id_notes, *vote_notes),
    )


def _read_tables(
    path: Path, votes_path: Path, settings: Mapping[str, Any], notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read one table or two; the problems of both are named at once."""
    shape = settings.get("shape", "rows")
    columns = {"counts": settings.get("labels", ()), "raters": settings.get("raters", ())}
    columns["clips"] = settings.get("clips", ())
    labels = list(columns.get(shape, (column_of(settings, "label"),)))
    utterance, audio = column_of(settings, "utterance"), column_of(settings, "audio")
    vote_columns = [str(settings.get("vote_utterance", utterance)), *labels]
    if shape == "clips":
        vote_columns = labels
    options = dict.fromkeys(vote_columns[:1], "vote_utterance") | {utterance: "utterance", audio: "audio"}
    if shape in ("rows", "list"):
        options[labels[0]] = "label"
    numbers = [
        column_of(settings, "age"),
        column_of(settings, "weight"),
        *(labels if shape == "counts" else []),
    ]
    sheet, votes_sheet = settings.get("sheet"), settings.get("votes_sheet")
    required: dict[tuple[Path, Any], list[str]] = {}
    is_one = votes_path == path and votes_sheet in (None, sheet)
    is_described = not (is_one and shape == "clips")
    required[path, sheet] = [*([utterance, audio] if is_described else []), *(vote_columns if is_one else [])]
    if not is_one:
        required[votes_path, votes_sheet] = vote_columns
    tables, problems = [], []
    for (file, name), needed in required.items():
        try:
            tables.append(read_parts(file, needed, numbers=numbers, options=options, sheet=name))
            for part in find_parts(file, name):
                notes += [note for note in sheet_notes(part.path, needed, part.sheet) if note not in notes]
        except MissingColumnsError as error:
            problems.append(error)
    if problems:
        raise MissingColumnsError("; and ".join(map(str, problems))) from problems[0]
    return tables[0], tables[-1]


def _with_rows(
    table: pl.DataFrame, votes_path: Path, vote_table: pl.DataFrame, settings: Mapping[str, Any]
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Turn a column per clip into a row per vote: the tables, and the settings that read them."""
    clips = settings.get("clips", ())
    if not clips:
        raise UserError(
            "votes of one column per clip need the names of the columns: --options.clips clip1,clip2,..."
        )
    is_one = table is vote_table
    rows = rows_of_clips(votes_path, vote_table, clips, with_audio=is_one)
    changed = {"shape": "rows", "label": "label", "vote_utterance": "utterance_id"}
    if is_one:
        return rows, rows, {**settings, **changed, "utterance": "utterance_id", "audio": "audio"}
    return table, rows, {**settings, **changed}


def _segments(
    path: Path, table: pl.DataFrame, settings: Mapping[str, Any], found: Mapping[str, str]
) -> tuple[pl.DataFrame, list[str]]:
    """Where the utterances are in their recordings, from columns that mean nothing else."""
    times = SegmentColumns(*(settings.get(name) for name in ("start", "end", "duration")))
    channel = str(settings.get("channel", "channel"))
    taken = [column_of(settings, role) for role in ("utterance", "audio", "annotator", "label", "weight")]
    taken += [channel, *found.values(), *settings.get("labels", ()), *settings.get("raters", ())]
    return table_segments(path, table, column_of(settings, "audio"), times, channel, taken)
