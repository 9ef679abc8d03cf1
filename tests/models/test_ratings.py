"""The table of ratings: what it refuses, its means, and that people can be forgotten and renamed in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData
from ambivox.models.ingestion.exclusions import entries, without_excluded
from ambivox.models.ingestion.profile import corpus_profile
from ambivox.models.ingestion.pseudonyms import pseudonym, with_pseudonyms
from ambivox.models.reporting.profile_page import profile_summary
from ambivox.models.tables import Ratings, Utterances, Votes
from tests.support.report_run import PROFILE

COLUMNS = ("utterance_id", "annotator_id", "lowest", "highest", "arousal", "valence", "dominance")
ROWS: list[tuple[Any, ...]] = [
    ("a", "anna", 1, 5, 2.0, 4.0, None),
    ("a", "ben", 1, 5, 3.0, 4.0, None),
    ("b", None, 1, 5, 4.5, 1.0, 2.0),
    ("b", "anna", 1, 5, 1.0, 1.0, 2.0),
]


def ratings(rows: list[tuple[Any, ...]]) -> Ratings:
    return Ratings.check(pl.DataFrame(rows, COLUMNS, orient="row", infer_schema_length=None), ("joy",))


def test_means_are_the_corpus_s_own_where_it_gives_them() -> None:
    assert ratings(ROWS).means().rows() == [("a", 2.5, 4.0, None, 1.0, 5.0), ("b", 4.5, 1.0, 2.0, 1.0, 5.0)]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("c", "r", 1, 5, 5.5, 1.0, 1.0), "outside their scale"),
        (("c", "r", 1, 5, 0.9, None, None), "outside their scale"),
        (("c", "r", 1, 5, float("nan"), 1.0, 1.0), "outside their scale"),
        (("c", "r", 1, 5, float("inf"), 1.0, 1.0), "outside their scale"),
        (("c", "r", float("nan"), 5, 1.0, 1.0, 1.0), "outside their scale"),
        (("c", "r", 1, 5, None, None, None), "rate nothing"),
        (("c", "r", None, 5, 1.0, 1.0, 1.0), "lowest is missing"),
        (("a", "anna", 1, 5, 1.0, 1.0, 1.0), "several ratings of one annotator"),
        (("b", None, 1, 5, 1.0, 1.0, 1.0), "several ratings of one annotator"),
    ],
)
def test_what_is_refused(row: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        ratings([*ROWS, row])
    assert "\n" not in str(error.value)


def test_people_are_forgotten_and_renamed() -> None:
    utterances = pl.DataFrame(
        {"utterance_id": ["a", "b"], "audio": ["a.wav", "b.wav"], "speaker": ["s1", "s2"]}
    )
    votes = pl.DataFrame({"utterance_id": ["a"], "annotator_id": ["anna"], "label": ["joy"]})
    data = CorpusData(("joy",), utterances, votes, "x", ratings=ratings(ROWS).frame)
    left = without_excluded(data, entries("speaker", ["s2"], ()))
    assert left.ratings is not None
    assert left.ratings["utterance_id"].to_list() == ["a", "a"]
    renamed = with_pseudonyms(data, bytes(32)).ratings
    assert renamed is not None
    anna = pseudonym("anna", "rater", bytes(32))
    assert renamed["annotator_id"].to_list()[::2] == [anna, None]
    assert with_pseudonyms(replace(data, ratings=None), bytes(32)).ratings is None


def test_the_profile(tmp_path: Path) -> None:
    labels = ("joy",)
    utterances = pl.DataFrame(
        {
            "utterance_id": ["a", "b"],
            "corpus": "x",
            "audio": "a.wav",
            "audio_sha256": "0",
            "duration_seconds": 1.0,
            "sample_rate_hz": 8000,
            "split": "train",
        }
    )
    votes = Votes.check(pl.DataFrame(schema=Votes.required), labels)
    profile = corpus_profile(Utterances.check(utterances, labels), votes, votes, ratings(ROWS))["ratings"]
    assert profile["scale"] == [1.0, 5.0]
    assert (profile["annotators"], profile["ratings"]) == (2, 3)
    assert profile["arousal"]["mean"] == 3.5
    assert profile["arousal"]["deviation_within_utterances"] == pytest.approx(0.5**0.5)
    assert profile["dominance"] == {
        "utterances": 1,
        "mean": 2.0,
        "deviation": None,
        "deviation_within_utterances": None,
    }
    text = profile_summary(PROFILE | {"ratings": profile})
    assert "arousal (1 to 5)" in text
    assert "mean 3.500, deviation 1.414, within utterances 0.707 (2 utterances)" in text
