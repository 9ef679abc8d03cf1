"""Forgetting people in a project: the order of what is removed, and what is shown.

They are entered into params.yaml first, so that no run brings them back, and the tables that they are found by are removed
last, so that the same command completes what was interrupted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambivox.flows import yaml_comments
from ambivox.flows.params_file import changing, load
from ambivox.flows.stage_arguments import PATHS
from ambivox.models.annotation.tombstones import forget_audio
from ambivox.models.audio.probe_cache import cache_file, forget_recordings
from ambivox.models.counted import counted
from ambivox.models.dvc_files import read_lock_file
from ambivox.models.engines.hosted import journal
from ambivox.models.errors import UserError, unknown
from ambivox.models.forgetting import held_elsewhere, recordings
from ambivox.models.forgetting.mentions import Names
from ambivox.models.forgetting.project_files import Removed, remove_mentions, remove_outputs
from ambivox.models.forgetting.selection import Selection, select
from ambivox.models.ingestion import exclusions, imported_votes, pseudonyms
from ambivox.models.object_store import is_object_url

_logger = logging.getLogger(__name__)
# Names in data/<corpus>/ that stages write.
_OUTPUTS = frozenset(paths["out"].partition("/")[0] for paths in PATHS.values())


@dataclass(frozen=True)
class Request:
    """Who is to be forgotten, and where; see ``ambivox forget``."""

    speakers: tuple[str, ...]
    utterance_ids: tuple[str, ...]
    corpora: tuple[str, ...]
    stores: tuple[str, ...]
    delete_recordings: bool


def forget_people(project: Path, request: Request) -> None:
    """Remove people from a project and show what was done, and what others still hold.

    Raises:
        UserError: params.yaml or dvc.lock cannot be read, a corpus is unknown, nobody has such a name, or something is locked or cannot be reached; the same
            command resumes.
    """
    params = load(project)
    # Read at the end, to say what DVC's cache still holds.
    read_lock_file(project)
    for name in request.corpora:
        if name not in params["corpora"]:
            raise unknown("corpus of params.yaml", name, params["corpora"])
    chosen = request.corpora or tuple(params["corpora"])
    folders = {name: project / "data" / name for name in params["corpora"]}
    speakers = _with_pseudonyms(project, params, chosen, request.speakers)
    selections = select(folders, chosen, speakers=speakers, ids=request.utterance_ids)
    _check_names(params, chosen, selections, request, speakers, _without_tables(project, chosen))
    if not selections:
        _logger.info("nothing found: they are forgotten already, and nothing of them is left")
        return
    _exclude(project, selections, speakers)
    endpoints = _remove_answers(project, request.stores, selections)
    imported = _remove_imported_votes(project, selections)
    known_by = {each for selection in selections.values() for each in selection.ids | selection.hashes}
    names = Names(known_by, speakers)
    removed = _remove_files(project, request, params, selections, names)
    _show_elsewhere(project, request, selections, names, removed, endpoints, imported)


def _with_pseudonyms(
    project: Path, params: Any, chosen: tuple[str, ...], speakers: tuple[str, ...]
) -> tuple[str, ...]:
    """The names, and their pseudonyms where a corpus has any."""
    uses = any((params["corpora"][name].get("ingest") or {}).get("pseudonyms") for name in chosen)
    path = project / ".ambivox" / "pseudonym.key"
    if not speakers or not (uses or path.is_file()):
        return speakers
    key = pseudonyms.read_key(path)
    return speakers + tuple(pseudonyms.pseudonym(name, "speaker", key) for name in speakers)


def _check_names(
    params: Any,
    chosen: tuple[str, ...],
    selections: Mapping[str, Selection],
    request: Request,
    speakers: tuple[str, ...],
    advice: str,
) -> None:
    """Refuse names that nobody has: a misspelt name must not look like a person who is forgotten."""
    listed = [entry for name in chosen for entry in _entries(params, name)]
    in_tables = {name for each in selections.values() for name in each.utterances["speaker"]}
    ids = {name for each in selections.values() for name in each.ids}
    count = len(request.speakers)
    for position, name in enumerate(request.speakers):
        spellings = {name, *speakers[count + position : count + position + 1]}
        if not spellings & in_tables and not any(
            exclusions.is_listed("speaker", each, listed) for each in spellings
        ):
            raise UserError(
                f"found no utterance of speaker {name!r} in {', '.join(chosen)}; nothing was changed{advice}"
            )
    for name in request.utterance_ids:
        if name not in ids and not exclusions.is_listed("utterance", name, listed):
            raise UserError(
                f"found no utterance {name!r} in {', '.join(chosen)}; nothing was changed{advice}"
            )


def _without_tables(project: Path, chosen: tuple[str, ...]) -> str:
    """What to do where a corpus has no tables, as after a removal: whoever is in it is not found."""
    names = [name for name in chosen if not (project / "data" / name / "ingest/utterances.parquet").is_file()]
    if not names:
        return ""
    stages = " ".join(f"ingest@{name}" for name in names)
    return f"; {', '.join(names)} cannot be searched without its tables: run dvc repro {stages}, then this command again"


def _entries(params: Any, corpus: str) -> list[str]:
    return [str(entry) for entry in (params["corpora"][corpus].get("ingest") or {}).get("forgotten") or ()]


def _exclude(project: Path, selections: Mapping[str, Selection], speakers: tuple[str, ...]) -> None:
    with changing(project) as params:
        for name, selection in selections.items():
            known = _entries(params, name)
            is_of_speaker = selection.utterances["speaker"].is_in(list(speakers)).fill_null(value=False)
            single = selection.utterances.filter(~is_of_speaker)["utterance_id"].to_list()
            present = [each for each in speakers if each in set(selection.utterances["speaker"])]
            # The name is listed beside its pseudonym, so that both stay out whatever ingest.pseudonyms says later.
            names = speakers if present else ()
            new = exclusions.entries("speaker", names, known)
            new += exclusions.entries("utterance", single, [*known, *new])
            ingest = params["corpora"][name].setdefault("ingest", {})
            yaml_comments.put(ingest, "forgotten", [*known, *new])


def _remove_answers(project: Path, stores: tuple[str, ...], selections: Mapping[str, Selection]) -> list[str]:
    """Remove answers, paid ones too, and what probing remembers; the endpoints that recordings were sent to."""
    hashes = {each for selection in selections.values() for each in selection.hashes}
    endpoints: list[str] = []
    answers = paid = 0
    journals = {project / ".ambivox" / "hosted.sqlite"}
    for store in stores:
        place = store if is_object_url(store) else str(project / store)
        answers += forget_audio(place, hashes)
        if not is_object_url(store):
            journals.add(Path(place) / "hosted.sqlite")
    for path in sorted(journals):
        count, asked = journal.forget_audio(path, hashes)
        paid, endpoints = paid + count, [*endpoints, *asked]
    names = {name for selection in selections.values() for name in selection.recordings}
    absolute = {name if "://" in name else str(project.absolute() / name) for name in names}
    probed = forget_recordings(cache_file(), absolute | names, hashes)
    _logger.info(
        f"removed {counted(answers, 'stored answer')}, {counted(paid, 'paid answer')}, {counted(probed, 'probed recording')}"
    )
    return sorted(set(endpoints))


def _remove_imported_votes(project: Path, selections: Mapping[str, Selection]) -> list[str]:
    return [
        name
        for name, selection in selections.items()
        if imported_votes.forget(imported_votes.place(project, name), selection.ids)
    ]


def _remove_files(
    project: Path,
    request: Request,
    params: Any,
    selections: Mapping[str, Selection],
    names: Names,
) -> Removed:
    stores = [project / store for store in request.stores if not is_object_url(store)]
    others = [project / "data" / name for name in params["corpora"] if name not in selections]
    roots = [project / str(params["corpora"][name].get("root", "")) for name in selections]
    outputs = [project / "data" / name / output for name in selections for output in _OUTPUTS]
    total = remove_mentions(project, names, [*stores, *others, *outputs], roots)
    every = {name for selection in selections.values() for name in selection.recordings}
    held = recordings.Recordings.sort(project, every)
    deleted = recordings.delete(held.own + (held.users if request.delete_recordings else ()))
    for name, selection in selections.items():
        splits = set(selection.utterances["split"])
        removed = remove_outputs(project / "data" / name, _OUTPUTS, splits)
        total.files += removed.files
        total.withdrawn += removed.withdrawn
        _logger.info(
            f"{name}: {counted(len(selection.ids), 'utterance is', 'utterances are')} forgotten; ambivox run makes the outputs again"
        )
    _logger.info(
        f"removed {counted(total.files, 'file')}, {counted(total.rows, 'row')} of databases, {counted(deleted, 'recording')}"
    )
    for model in total.withdrawn:
        _logger.info(f"{model}: fitted with them, not used until it is fitted again")
    same_audio = [each for selection in selections.values() for each in selection.same_audio]
    if same_audio:
        _logger.warning(
            f"{counted(len(same_audio), 'other utterance stays, which has', 'other utterances stay, which have')} the same audio; the first is {same_audio[0]}; to remove them, "
            "list them in a file: --utterances FILE"
        )
    for path in total.remaining:
        _logger.warning(f"{path}: mentions them, but is not Ambivox's; delete it by hand")
    for path, reason in total.unsearched:
        _logger.warning(
            f"{path}: not searched, {reason}; look whether it mentions them, and delete it by hand if so"
        )
    if held.users and not request.delete_recordings:
        _logger.warning(
            f"{len(held.users)} of your own recordings stay, the first is {held.users[0]} (--delete-recordings)"
        )
    if held.remote:
        _logger.warning(
            f"{counted(len(held.remote), 'recording stays', 'recordings stay')} in buckets: aws s3 rm {held.remote[0]} ..."
        )
    return total


def _show_elsewhere(
    project: Path,
    request: Request,
    selections: Mapping[str, Selection],
    names: Names,
    removed: Removed,
    endpoints: list[str],
    imported: list[str],
) -> None:
    def held() -> Iterator[tuple[str, list[str]]]:
        yield from held_elsewhere.commands(
            project, selections, names, imported_changed=imported, runs_are_stale=removed.files > 0
        )
        for store in request.stores:
            yield from held_elsewhere.store_commands(store)

    for what, purge in held():
        _logger.warning(f"still held: {what}")
        for command in purge:
            _logger.info(f"    {command}")
    for endpoint in endpoints:
        _logger.warning(f"still held: recordings were sent to {endpoint}; ask the provider to delete them")
