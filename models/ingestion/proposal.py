"""Which columns of a user's tables hold what: a proposal from their names and their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.ingestion.assignments import status_column
from ambivox.models.ingestion.audio_columns import IS_AUDIO, audio_columns
from ambivox.models.ingestion.clip_columns import clip_columns, shared_ids
from ambivox.models.ingestion.column_content import Source, is_one_to_one, overlap
from ambivox.models.ingestion.columns import best_named, named_columns
from ambivox.models.ingestion.count_columns import share_columns
from ambivox.models.ingestion.headers import check_audio_header, check_id_header, check_label_track
from ambivox.models.ingestion.recordings import recordings_below
from ambivox.models.ingestion.segment_columns import SegmentColumns, find_segment_columns
from ambivox.models.ingestion.speaker_table import find_speaker_table
from ambivox.models.ingestion.table_parts import TABLE
from ambivox.models.ingestion.utterance_rows import are_splits
from ambivox.models.ingestion.vote_shapes import VoteColumns, find_votes

OPTIONAL_ROLES = ("speaker", "transcript", "split", "language", "sex", "age")


@dataclass
class Proposal:
    """Options of the corpus ``table``, as far as the tables tell.

    Attributes:
        options: Option -> column, file, sheet or shape.
        reasons: Option -> why, for the user.
        doubts: What the user should confirm, a sentence each.
        missing: What no column was found for, a phrase each.
        hints: What the user may want to add; a run needs no answer.
    """

    options: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    @property
    def is_sure(self) -> bool:
        """Whether a run may use it without asking."""
        return not self.doubts and not self.missing

    def add(self, option: str, value: Any, reason: str) -> None:
        """Propose an option."""
        self.options[option] = value
        self.reasons[option] = reason

    def describe(self) -> str:
        """The proposed options in one line."""
        parts = [
            f"{name} = {', '.join(value) if isinstance(value, list) else value}"
            for name, value in self.options.items()
        ]
        return "; ".join(parts)


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
    proposal = Proposal()
    if exported := next((source.path for source in sources if _is_label_studio(source)), None):
        raise UserError(
            f"{exported.name} is an export of Label Studio: `ambivox import-votes --source {exported.name} --into KEY` adds "
            "its votes to a corpus"
        )
    utterances, audio = _find_audio(sources, given, proposal)
    if _add_clips(sources, utterances if audio else None, given, proposal):
        return proposal
    votes, columns = _find_votes(sources, utterances, given, proposal)
    if utterances is not None:
        _add_place("", utterances, given, proposal)
    if votes is not None and votes is not utterances:
        _add_place("votes", votes, given, proposal)
    if columns is not None:
        for option, value in columns.options.items():
            if option not in given:
                proposal.add(option, value, columns.reasons.get(option, columns.reason))
        proposal.doubts += columns.doubts
        proposal.hints += columns.hints
    if utterances is not None and audio is not None:
        _add_ids(utterances, audio, votes, given, proposal)
        used = {audio, *(v for v in [*given.values(), *proposal.options.values()] if isinstance(v, str))}
        for role in OPTIONAL_ROLES:
            column = given.get(role) or best_named(
                role, [c for c in utterances.frame.columns if c not in used]
            )
            if column is not None and role not in given and column != role:
                proposal.add(role, column, "by its name")
        is_by_split = TABLE in utterances.frame.columns and are_splits(utterances.frame[TABLE])
        if is_by_split and "split" not in {*given, *proposal.options}:
            proposal.add("split", TABLE, "the tables are called like splits")
        _add_speakers(sources, utterances, votes, given, proposal)
    return proposal


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


def _add_clips(
    sources: Sequence[Source], utterances: Source | None, given: Mapping[str, Any], proposal: Proposal
) -> bool:
    """Propose a row per annotator and a column per clip, where columns are named after clips."""
    if given.get("shape", "clips") != "clips" or "label" in given:
        return False
    for source in sources:
        shared = shared_ids(utterances, source) if utterances and source is not utterances else None
        clips = clip_columns(source) if utterances is None else shared[1] if shared else []
        if not clips:
            continue
        proposal.missing = []
        _add_place("", utterances or source, given, proposal)
        if utterances is not None:
            _add_place("votes", source, given, proposal)
        if shared and shared[0] != "utterance_id":
            proposal.add("utterance", shared[0], "columns of the votes are named after it")
        if "shape" not in given:
            proposal.add("shape", "clips", "columns are named after recordings or utterances")
        if "clips" not in given:
            proposal.add("clips", clips, "they are named after recordings or utterances")
        others = [c for c in source.frame.columns if c not in given.get("clips", clips)]
        annotator = given.get("annotator") or best_named("annotator", others)
        if annotator and annotator != "annotator_id" and "annotator" not in given:
            proposal.add("annotator", annotator, "by its name")
        status = status_column(source.frame)
        if status and "status" not in given:
            proposal.add("status", status, "votes of rejected, returned and expired assignments are left out")
        return True
    return False


def _add_place(which: str, source: Source, given: Mapping[str, Any], proposal: Proposal) -> None:
    """Name the file, and the sheet of a workbook."""
    option, sheet = (which or "utterances"), f"{which}_sheet" if which else "sheet"
    files, sheets = (1, source.parts) if source.sheet is not None else (source.parts, 1)
    if option not in given and source.is_listed:
        reason = "the file" if files == 1 else f"{files} files with the same columns"
        proposal.add(option, source.path.name, reason)
    if sheet not in given and source.sheet is not None:
        reason = "the sheet" if sheets == 1 else f"{sheets} sheets with the same columns"
        proposal.add(sheet, source.sheet, reason)
    proposal.doubts += source.doubts if option not in given and sheet not in given else ()


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
                f"numbers of votes: the columns {', '.join(map(repr, shares))} hold shares; multiply them by the number of "
                "votes on each utterance"
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
    named = [column for column in named_columns("utterance", others) if is_one_to_one(frame, column, audio)]
    if find_segment_columns(frame.columns, SegmentColumns(None, None, None), [audio]).start is not None:
        named = named or named_columns("utterance", others)[:1]  # utterances share recordings
    candidates = [given["utterance"]] if "utterance" in given else list(dict.fromkeys([*named, audio]))
    candidates = [column for column in candidates if column in frame.columns]
    key = None
    if votes is not None and votes is not utterances:
        keys = [given["vote_utterance"]] if "vote_utterance" in given else votes.frame.columns
        pairs = [
            (-overlap(frame[u], votes.frame[v], plain=plain), u != v, place, u, v)
            for plain in (False, True)
            for place, u in enumerate(candidates)
            for v in keys
            if v in votes.frame.columns
        ]
        if not pairs or min(pairs)[0] > -IS_AUDIO:
            proposal.missing.append(
                "a column of both tables with the same utterance ids (options utterance and vote_utterance)"
            )
            return
        _, _, _, candidate, key = min(pairs)
        check_id_header(votes, key, frame[candidate])
        candidates = [candidate]
    if not candidates:
        return
    if "utterance" not in given and candidates[0] != "utterance_id":
        reason = "the audio path is the utterance's id" if candidates[0] == audio else "by its name"
        proposal.add("utterance", candidates[0], reason)
    if key is not None and key != candidates[0] and "vote_utterance" not in given:
        proposal.add("vote_utterance", key, "it holds the same ids")
