"""The decision over a round of trials: at most one promotion, and a reason for every candidate."""

from __future__ import annotations

from dataclasses import replace

from ambivox.models.annotator_registry.decision import Verdict, best_trial, decided_entries
from tests.support.pilot_tables import trial


def test_only_the_best_is_promoted_and_it_comes_last() -> None:
    trials = [trial("b", 1.2, True), trial("a", 1.1, True), trial("c", 1.4, False)]
    best = best_trial(trials)
    assert best is not None
    assert best.candidate.alm == "a"
    entries = decided_entries(trials, Verdict())
    assert [(entry.alm, entry.decision) for entry in entries] == [
        ("b", "rejected"),
        ("c", "rejected"),
        ("a", "promoted"),
    ]
    assert "better still" in entries[0].reason
    assert "not better" in entries[1].reason
    assert "nll 1.100, old 1.300, gain +0.200 [+0.010, +0.200] on 30 utterances" in str(entries[2])


def test_without_a_better_candidate_nothing_is_promoted() -> None:
    trials = [trial("c", 1.4, False)]
    assert best_trial(trials) is None
    assert [entry.decision for entry in decided_entries(trials, Verdict())] == ["rejected"]


def test_an_entry_of_an_earlier_release_shows_its_js() -> None:
    entry = replace(
        trial("a", 1.1, True).entry, nll=None, baseline_nll=None, js=0.1, baseline_js=0.3, gain=0.2
    )
    assert "JS 0.100, old 0.300, gain +0.200" in str(entry)


def test_a_declined_candidate_keeps_the_reason() -> None:
    entries = decided_entries([trial("a", 1.1, True)], Verdict(promote=False, reason="declined by Ada"))
    assert [(entry.decision, entry.reason) for entry in entries] == [("declined", "declined by Ada")]


def test_an_objection_stands_as_the_reason() -> None:
    insensitive = trial("a", 1.1, False)
    reason = "its answers do not depend on the audio"
    insensitive = replace(insensitive, entry=replace(insensitive.entry, reason=reason))
    assert [entry.reason for entry in decided_entries([insensitive], Verdict())] == [reason]
