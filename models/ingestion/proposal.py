"""Which columns of a user's tables hold what: a proposal from their names and their content."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.ingestion.annotator_columns import annotator_hints
from ambivox.models.ingestion.audio_columns import audio_columns
from ambivox.models.ingestion.column_content import Source, is_of_one, is_one_to_one
from ambivox.models.ingestion.columns import all_named, best_named, named_columns, words
from ambivox.models.ingestion.count_columns import NUMBERS_FOR_SHARES, share_columns
from ambivox.models.ingestion.frame_numbers import have_parts, rate_doubt
from ambivox.models.ingestion.headers import check_audio_header, check_id_header, check_label_track
from ambivox.models.ingestion.id_columns import find_shared_ids
from ambivox.models.ingestion.proposed_clips import add_clips
from ambivox.models.ingestion.proposed_options import OPTIONAL_ROLES, Proposal, add_place
from ambivox.models.ingestion.recordings import recordings_below
from ambivox.models.ingestion.segments import place_columns
from ambivox.models.ingestion.sentences import sentence_columns
from ambivox.models.ingestion.speaker_table import find_speaker_table
from ambivox.models.ingestion.table_files import hidden_sheets_hint
from ambivox.models.ingestion.table_parts import TABLE
from ambivox.models.ingestion.table_settings import COLUMNS, column_of
from ambivox.models.ingestion.utterance_rows import are_splits, split_columns
from ambivox.models.ingestion.vote_columns import VoteColumns
from ambivox.models.ingestion.vote_plausibility import marks_of_rows
from ambivox.models.ingestion.vote_shapes import find_votes

_PARTS = {"utterance", "segment", "turn"}  # what ids of parts of recordings are called


def propose(sources: Sequence[Source], given: Mapping[str, Any]) -> Proposal:
    """Propose how tables are read.

    Args:
        sources: The tables that the user has, one per file or sheet.
        given: Options that the user gave; they are kept and not proposed again.

    Returns:
        The proposal; options that the user gave are not part of it.

    Raises:
        UserError: A table has no header, or is one that another command reads.
    """
    proposal = _propose(sources, given)
    if proposal.missing and (hidden := hidden_sheets_hint(source.path for source in sources)):
        proposal.missing.append(f"there are {hidden}")
    return proposal


def _propose(sources: Sequence[Source], given: Mapping[str, Any]) -> Proposal:
    proposal = Proposal()
    if exported := next((source.path for source in sources if _is_label_studio(source)), None):
        raise UserError(
            f"{exported.name} is an export of Label Studio: `ambivox import-votes --source {exported.name} --into KEY` adds "
            "its votes to a corpus"
        )
    utterances, audio = _find_audio(sources, given, proposal)
    if add_clips(sources, utterances if audio else None, given, proposal):
        return proposal
    votes, columns = _find_votes(sources, utterances, given, proposal)
    if utterances is not None:
        add_place("", utterances, given, proposal)
    if votes is not None and votes is not utterances:
        add_place("votes", votes, given, proposal)
    if columns is not None:
        for option, value in columns.options.items():
            if option not in given:
                proposal.add(option, value, columns.reasons.get(option, columns.reason))
        proposal.doubts += columns.doubts
        proposal.hints += columns.hints
    if utterances is not None and audio is not None:
        _add_ids(utterances, audio, votes, given, proposal)
        if votes is not None and columns is not None and not columns.tells_annotators:
            _add_annotator_hints(utterances, votes, given, proposal)
        if votes is not None:
            known = {str(value) for value in {**given, **proposal.options}.values()}
            known |= set(split_columns(votes.frame, votes.frame.columns))
            free = [column for column in votes.frame.columns if column not in known]
            proposal.hints += marks_of_rows(votes.frame, free)
        used = {audio, *(v for v in [*given.values(), *proposal.options.values()] if isinstance(v, str))}
        for role in OPTIONAL_ROLES:
            free = [column for column in utterances.frame.columns if column not in used]
            column = given.get(role) or best_named(role, free)
            if column is None and role == "transcript":  # MELD calls it Utterance
                spoken = sentence_columns(utterances.frame, all_named("utterance", free))
                column = next(iter(spoken), None)
            if (
                role == "split"
                and column in utterances.frame.columns
                and not are_splits(utterances.frame[column])
            ):
                continue  # a set of stimuli
            if column is not None and role not in given and column != role:
                proposal.add(role, column, "by its name")
        is_by_split = TABLE in utterances.frame.columns and are_splits(utterances.frame[TABLE])
        if is_by_split and "split" not in {*given, *proposal.options}:
            proposal.add("split", TABLE, "the tables are called like splits")
        _add_speakers(sources, utterances, votes, given, proposal)
    return proposal


def _add_annotator_hints(
    utterances: Source, votes: Source, given: Mapping[str, Any], proposal: Proposal
) -> None:
    """Name the columns that may hold annotators, which no column is named after."""
    settings = {**given, **proposal.options}
    if settings.get("shape", "rows") != "rows":
        return
    key = column_of(settings, "audio" if votes is utterances else "utterance")
    key = str(settings.get("vote_utterance", key))
    used = {column_of(settings, role) for role in COLUMNS} | {str(value) for value in settings.values()}
    used |= {column for role in OPTIONAL_ROLES if (column := best_named(role, votes.frame.columns))}
    keys = [key, *sorted(place_columns(votes.frame, settings, list(used)))]
    if key in votes.frame.columns:
        free = [column for column in votes.frame.columns if column not in {*used, *keys}]
        proposal.hints += annotator_hints(votes.frame, keys, free)


def _add_speakers(
    sources: Sequence[Source],
    utterances: Source,
    votes: Source | None,
    given: Mapping[str, Any],
    proposal: Proposal,
) -> None:
    """Name the table that describes the speakers, where it has a name of its own."""
    speaker = str(proposal.options.get("speaker", given.get("speaker", "speaker")))
    taken = {source.path for source in (utterances, votes) if source is not None}
    speaker_table = find_speaker_table(sources, utterances, speaker, taken)
    if speaker_table is not None and "speakers" not in given and speaker_table.path.stem != "speakers":
        proposal.add("speakers", speaker_table.path.name, "it describes the speakers")


def _is_label_studio(source: Source) -> bool:
    return {"data", "annotations"} <= set(source.frame.columns)


def _find_audio(
    sources: Sequence[Source], given: Mapping[str, Any], proposal: Proposal
) -> tuple[Source | None, str | None]:
    """The table of utterances, and its column with audio paths."""
    candidates = audio_columns(sources, given)
    # Last, names of recordings in the folder or below without their suffix.
    folders = {source.path.parent for source in sources}
    names = {folder: recordings_below(folder) for folder in folders} if not candidates else None
    candidates = candidates or audio_columns(sources, given, names)
    if not candidates:
        for source in sources:
            check_label_track(source)
        proposal.missing.append("a column with audio paths (option audio): none names audio files")
        return (sources[0] if len(sources) == 1 else None), None
    share, _, source, column = candidates[0]
    if "audio" not in given and column != "audio":
        check_audio_header(source, column)
        proposal.add("audio", column, f"{-share:.0%} of its values name audio files")
    return source, column


def _find_votes(
    sources: Sequence[Source], utterances: Source | None, given: Mapping[str, Any], proposal: Proposal
) -> tuple[Source | None, VoteColumns | None]:
    """The table of votes, and its columns."""
    candidates: list[tuple[int, int, Source, VoteColumns]] = []
    for place, source in enumerate(sources):
        taken = {proposal.options.get("audio", given.get("audio", "audio")), given.get("utterance")}
        columns = find_votes(source, given, {name for name in taken if name})
        if columns is not None and (source is utterances or not _is_codebook(source, columns)):
            rank = 2 * columns.tells_annotators - 3 * bool(columns.doubts) + (source is not utterances)
            candidates.append((-rank, place, source, columns))
    if not candidates:
        missing = "votes: a column with labels (option label), counts per label (labels), or a column per rater (raters)"
        shares = next((names for source in sources if (names := share_columns(source.frame))), [])
        if shares:
            missing = (
                f"numbers of votes: the columns {', '.join(map(repr, shares))} hold shares; "
                f"{NUMBERS_FOR_SHARES}"
            )
        proposal.missing.append(missing)
        return None, None
    candidates.sort(key=lambda candidate: candidate[:2])
    return candidates[0][2], candidates[0][3]


def _is_codebook(source: Source, columns: VoteColumns) -> bool:
    """Whether a table lists labels, each once: what codes or answers mean."""
    label = columns.options.get("label", "label")
    is_list = columns.options.get("shape", "rows") == "rows" and label in source.frame.columns
    return is_list and source.frame[label].n_unique() == source.frame.height


def _add_ids(
    utterances: Source, audio: str, votes: Source | None, given: Mapping[str, Any], proposal: Proposal
) -> None:
    """The columns with utterance ids in both tables: by name, one to one with the audio, and shared by the tables."""
    frame = utterances.frame
    others = [column for column in frame.columns if column != audio]
    places = sorted(place_columns(frame, given, [audio]))
    if have_parts(frame, audio, places) and (doubt := rate_doubt(places, frame.columns)) is not None:
        proposal.doubts.append(doubt)
    called_so = named_columns("utterance", others)
    spoken = sentence_columns(frame, called_so)
    named = [
        column
        for column in called_so
        if column not in spoken
        and not any(all_named(role, [column]) for role in ("annotator", "speaker"))
        and (
            is_one_to_one(frame, column, [audio])
            or (places and is_one_to_one(frame, column, [audio, *places]))
        )
    ]
    # An id of a part of a recording, where no column says which part it is.
    of_parts = [
        column
        for column in all_named("utterance", others)
        if not named and set(words(column)) & _PARTS and is_of_one(frame, column, audio)
    ]
    if of_parts and not places and "utterance" not in given:
        proposal.doubts.append(
            f"{of_parts[0]!r} names several utterances of a recording, and no column says which part or channel of it each is "
            f"(options start, end, channel); if all are the whole recording: --options.utterance {shlex.quote(of_parts[0])}"
        )
    named += of_parts[:1]
    candidates = [given["utterance"]] if "utterance" in given else list(dict.fromkeys([*named, audio]))
    candidates = [column for column in candidates if column in frame.columns]
    key = None
    if votes is not None and votes is not utterances:
        keys = votes.frame.columns
        if "vote_utterance" in given:
            keys = [key for key in keys if key == given["vote_utterance"]]
        ids = find_shared_ids(frame, candidates, votes.frame, keys)
        if ids is None:
            ids_of_both = "a column of both tables with the same utterance ids"
            proposal.missing.append(f"{ids_of_both} (options utterance and vote_utterance)")
            return
        key = ids.of_votes
        check_id_header(votes, key, frame[ids.of_utterances])
        candidates = [ids.of_utterances]
        if ids.others:
            names = " or ".join(map(repr, (key, *ids.others)))
            proposal.doubts.append(f"the ids of the utterances may be in {names} (option vote_utterance)")
    if not candidates:
        return
    if "utterance" not in given and candidates[0] != "utterance_id":
        reason = "the audio path is the utterance's id" if candidates[0] == audio else "by its name"
        proposal.add("utterance", candidates[0], reason)
    if key is not None and key != candidates[0] and "vote_utterance" not in given:
        proposal.add("vote_utterance", key, "it holds the same ids")
