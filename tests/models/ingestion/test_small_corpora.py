"""Corpora with few speakers or few votes: which splits stay empty, and that the user is told."""

from __future__ import annotations

import re

import pytest

from ambivox.models.ingestion.small_corpora import ENOUGH_PRETRAIN_UTTERANCES, fitting_shares
from ambivox.models.ingestion.splits import DEFAULT_SHARES, Shares, UnknownSpeakers, assign_splits
from tests.models.ingestion.test_splits import table


def splits(
    speakers: list[str | None],
    *,
    shares: Shares | None = None,
    unknown: UnknownSpeakers = "train",
    official: list[str | None] | None = None,
    without_votes: int = 0,
) -> tuple[dict[str, int], list[str]]:
    """Utterances per split, and the notes."""
    frame = table(speakers, official)
    voted = frame["utterance_id"][without_votes:]
    fitting, notes = fitting_shares(frame, voted, shares, 0, unknown, DEFAULT_SHARES)
    done = assign_splits(frame, fitting, 0, unknown, DEFAULT_SHARES)
    return dict(done["split"].value_counts().sort("split").iter_rows()), notes


@pytest.mark.parametrize(
    ("speakers", "expected", "note"),
    [
        (0, {"train": 24}, "no speaker is known"),
        (
            1,
            {"train": 24},
            "1 speaker is known, and no speaker may be in two splits: test, development, pretrain empty",
        ),
        (2, {"test": 12, "train": 12}, "2 speakers are known"),
        (3, {"development": 8, "test": 8, "train": 8}, "3 speakers are known, .* pretrain empty"),
    ],
)
def test_few_speakers(speakers: int, expected: dict[str, int], note: str) -> None:
    names = [f"s{n % speakers}" for n in range(24)] if speakers else [None] * 24
    counts, notes = splits(names)
    assert counts == expected
    assert len(notes) == 1
    assert re.search(note, notes[0])
    assert ("no distribution can be scored" in notes[0]) == (speakers < 2)


def test_speakers_of_pretrain_are_not_wasted_where_no_alm_can_be_trained() -> None:
    for size, is_possible in ((24, False), (80, True)):
        counts, notes = splits([f"s{n % 8}" for n in range(size)])
        assert "pretrain" not in counts
        assert counts["train"] > counts["test"] >= counts["development"]
        assert "is seldom worth a human vote" in notes[0]
        assert ("--set ingest.shares=0.6,0.15,0.05,0.2 trains one nevertheless" in notes[0]) == is_possible
    assert splits([f"s{n % 8}" for n in range(128)])[0]["pretrain"] >= ENOUGH_PRETRAIN_UTTERANCES
    # Utterances do not count without votes.
    assert "pretrain" not in splits([f"s{n % 8}" for n in range(128)], without_votes=110)[0]


def test_shares_that_the_user_gave_stay_where_the_speakers_suffice() -> None:
    names = [f"s{n % 8}" for n in range(24)]
    counts, notes = splits(names, shares=(0.5, 0.25, 0.0, 0.25))
    assert counts["pretrain"] == 12
    assert notes == []


def test_each_unknown_speaker_counts_if_asked_for() -> None:
    counts, notes = splits([None] * 24, unknown="alone")
    assert {"train", "development", "test"} == set(counts)
    assert "no ALM is trained" in notes[0]


def test_official_splits_need_no_speakers() -> None:
    official: list[str | None] = ["train", "development", "test"]
    assert splits(["a", "a", "a"], official=official) == ({"development": 1, "test": 1, "train": 1}, [])
