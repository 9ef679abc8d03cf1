"""The decision over a round of trials: at most one candidate is promoted, and every candidate gets an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ambivox.models.annotator_registry.budget import cheapest
from ambivox.models.annotator_registry.ledger import Decision, Entry
from ambivox.models.annotator_registry.trial import Trial


@dataclass(frozen=True)
class Verdict:
    """What was decided on the best candidate, by the rule or by a person."""

    promote: bool = True
    reason: str = "better than the annotator in use"


def best_trial(trials: Sequence[Trial], margin: float = 0.0) -> Trial | None:
    """The trial to promote among those that are better than the annotator in use; None without any.

    Args:
        trials: One round of trials.
        margin: See ``cheapest``, which chooses.
    """
    better = [trial for trial in trials if trial.better]
    best = cheapest([trial.entry for trial in better], margin)
    return next((trial for trial in better if trial.entry is best), None)


def decided_entries(trials: Sequence[Trial], verdict: Verdict, margin: float = 0.0) -> list[Entry]:
    """Every trial's entry with its decision and reason; a promoted one last, as the ledger's last is in use.

    Args:
        trials: One round of trials.
        verdict: What was decided on ``best_trial(trials, margin)``; ignored where there is none.
        margin: See ``cheapest``.
    """
    best = best_trial(trials, margin)
    entries = [_decided(trial, best, verdict) for trial in trials]
    return sorted(entries, key=lambda entry: entry.decision == "promoted")


def _decided(trial: Trial, best: Trial | None, verdict: Verdict) -> Entry:
    if trial is best:
        decision: Decision = "promoted" if verdict.promote else "declined"
        return replace(trial.entry, decision=decision, reason=verdict.reason)
    if trial.better and best is not None:
        is_cheaper = (best.entry.nll or 0.0) > (trial.entry.nll or 0.0)
        how = "nearly as good and its equivalent votes are cheaper" if is_cheaper else "better still"
        reason = f"better than the annotator in use, but {best.candidate.short_name} is {how}"
        return replace(trial.entry, reason=reason)
    if trial.entry.reason:
        return trial.entry
    return replace(
        trial.entry,
        reason="not better than the annotator in use: by the margin, or not significantly over speakers",
    )
