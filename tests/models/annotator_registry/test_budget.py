"""What a hosted ALM may cost, and the choice between ALMs that are equally good but not equally dear."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ambivox.models.annotator_registry.budget import Budget, cheapest
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.decision import Verdict, best_trial, decided_entries
from ambivox.models.annotator_registry.trial import Pilot, Trial
from tests.support.pilot_tables import answered, corpus, trial


def priced(name: str, nll: float, cost: float | None, votes_per_dollar: float | None) -> Trial:
    plain = trial(name, nll, True)
    return replace(plain, entry=replace(plain.entry, cost_usd=cost, votes_per_dollar=votes_per_dollar))


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([("cheap", 1.103, 1.0, 500.0)], "cheap"),
        ([("cheap", 1.106, 1.0, 500.0)], "dear"),  # a gain of the margin counts
        ([("here", 1.104, None, None)], "here"),
        ([("useless", 1.103, 1.0, 0.0)], "dear"),
        ([("cheap", 1.103, 1.0, 500.0), ("here", 1.104, None, None)], "here"),
        ([], "dear"),
    ],
)
def test_the_cheapest_of_those_that_are_equally_good_is_chosen(
    others: list[tuple[str, float, float | None, float | None]], chosen: str
) -> None:
    trials = [priced("dear", 1.1, 2.0, 100.0), *(priced(*other) for other in others)]
    best = best_trial(trials, margin=0.005)
    assert best is not None and best.candidate.alm == chosen
    entries = decided_entries(trials, Verdict(), 0.005)
    assert [entry.alm for entry in entries if entry.decision == "promoted"] == [chosen]
    if chosen != "dear":
        (dear,) = (entry for entry in entries if entry.alm == "dear")
        assert "nearly as good and its equivalent votes are cheaper" in dear.reason


def test_a_hosted_alm_whose_prices_are_not_known_is_not_free() -> None:
    dear, unknown = (
        priced(name, 1.1, *price).entry for name, *price in (("dear", 2.0, 100.0), ("x", None, None))
    )
    hosted = replace(unknown, source="models:https://host/v1", nll=1.099)
    assert cheapest([dear, hosted], 0.005) is dear and cheapest([hosted], 0.005) is hosted
    assert cheapest([dear, unknown], 0.005) is unknown  # it runs here


def test_an_entry_shows_what_it_cost() -> None:
    assert "; 2.0000 USD, 100 equivalent votes per USD" in str(priced("dear", 1.1, 2.0, 100.0).entry)
    assert "USD" not in str(trial("a", 1.1, True).entry)
    assert cheapest([], 0.1) is None


def test_a_trial_weighs_equivalent_votes_against_money(tmp_path: Path) -> None:
    utterances, votes, truth_NK = corpus(400)
    utterances.write(tmp_path / "ingest/utterances.parquet")
    votes.write(tmp_path / "ingest/votes.parquet")
    pilot = Pilot.read("unit", tmp_path / "ingest", 200)
    row = {name: number for number, name in enumerate(utterances.frame["utterance_id"])}
    ids = pilot.utterances.frame["utterance_id"]
    out = tmp_path / "hosted"
    answered(ids, 0.7 * truth_NK[[row[name] for name in ids]] + 0.1).write(out / "annotations.parquet")
    (out / "checks.json").write_text(json.dumps({"audio_sensitive": True, "hosted": {"cost_usd": 2.0}}))
    candidate = Candidate("hosted:a", "a", "models:http://x", "hosted:a", "http://x", (), "2027-01-01")

    def score(budget: Budget | None) -> Trial:
        return pilot.score(candidate, "a", out, pilot.prior(), margin=0.01, seed=0, budget=budget)

    entry = score(None).entry
    assert entry.cost_usd == 2.0 and entry.shutdown == "2027-01-01"
    assert entry.equivalent_votes is not None and entry.equivalent_votes > 0.5
    assert entry.votes_per_dollar == pytest.approx(entry.equivalent_votes * 200 / 2.0)
    assert score(Budget(1000, 10.0)).better
    too_dear = score(Budget(1001, 10.0))
    assert not too_dear.better and "more than the 10 USD of annotate.max_cost" in too_dear.entry.reason
    per_vote = 1 / entry.votes_per_dollar
    assert score(Budget(1000, 10.0, per_vote * 1.01)).better
    no_bargain = score(Budget(1000, 10.0, per_vote * 0.99))
    assert not no_bargain.better and "an equivalent vote costs" in no_bargain.entry.reason
