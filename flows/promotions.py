"""A promotion as one transaction: the ledger's row, and the ALM in its place.

Before the row, what is about to be promoted is noted in ``.ambivox/promotions/<corpus>.json``; after the ALM is in its
place and the pipeline is up to date with it, the note is removed. The row is what decides: with it, an interrupted promotion
is completed by the next run; without it, the note is dropped, and the candidate is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from ambivox.flows.annotators import install_annotator, install_hosted, track
from ambivox.flows.reannotate_pilots import alm_cache
from ambivox.models.annotator_registry import watch
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Entry, Ledger
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.json_documents import read_json_document

_CANDIDATE: TypeAdapter[Candidate] = TypeAdapter(Candidate)


def record(
    project: Path, corpus: str, ledger: Ledger, entries: Sequence[Entry], promoted: Candidate | None
) -> None:
    """Write decisions to the ledger, and put the promoted ALM in its place; ``end`` is to follow.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml. Its lock must be held (``corpus_lock``).
        ledger: The corpus's ledger.
        entries: The decisions.
        promoted: The candidate among them that is promoted, if any.

    Raises:
        UserError: The ALM cannot be fetched, or DVC refuses. The next run tries again.
    """
    if promoted is not None:
        write_json(_note(project, corpus), asdict(promoted))
    ledger.append(*entries)
    if complete(project, corpus, ledger) is None:
        track(project, ledger.path)


def complete(project: Path, corpus: str, ledger: Ledger) -> Candidate | None:
    """Complete a promotion that was interrupted before its end; calling it again does the same again.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's key in params.yaml. Its lock must be held.
        ledger: The corpus's ledger.

    Returns:
        The ALM that is in its place now, until ``end`` is called; None where no promotion was interrupted after its
        decision.

    Raises:
        UserError: The ALM cannot be fetched any more, or DVC refuses.
    """
    note = _note(project, corpus)
    if not note.is_file():
        return None
    candidate = read_json_document(note, _CANDIDATE, "an interrupted promotion; delete it to give that up")
    rows = ledger.read().filter(alm=candidate.alm, version=candidate.version, decision="promoted")
    if rows.height:
        try:
            if candidate.is_hosted:
                install_hosted(project, corpus, candidate)
            else:
                install_annotator(project, corpus, watch.fetch_candidate(candidate, alm_cache(project)))
        except (UserError, FileNotFoundError) as error:
            raise UserError(
                f"the promotion of {candidate.short_name} was decided, but cannot be completed: {error}; to give it up, "
                f"delete {note}"
            ) from error
        track(project, ledger.path)
        return candidate
    note.unlink()
    return None


def end(project: Path, corpus: str) -> None:
    """Note that nothing of a promotion is left to be done."""
    _note(project, corpus).unlink(missing_ok=True)


def _note(project: Path, corpus: str) -> Path:
    return project / ".ambivox" / "promotions" / f"{corpus}.json"
