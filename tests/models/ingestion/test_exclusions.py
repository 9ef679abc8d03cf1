"""What is listed in ingest.forgotten is left out, and the list holds no names."""

from __future__ import annotations

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, rejected
from ambivox.models.ingestion.exclusions import entries, is_excluded, is_listed, without_excluded

NAMES = ["anna", "Anna", "anna ", "ánna", "3", "", "a-b", "speaker\0anna", "\ud800"]


def data() -> CorpusData:
    ids = ["u1", "u2", "u3", "u4"]
    return CorpusData(
        labels=("anger", "joy"),
        utterances=pl.DataFrame(
            {"utterance_id": ids, "audio": ids, "speaker": ["anna", "boris", None, "anna"]}
        ),
        votes=pl.DataFrame({"utterance_id": ["u1", "u2", "u9"], "annotator_id": "r", "label": "joy"}),
        licence="none",
        rejects=rejected(pl.DataFrame({"utterance_id": ["u1", "u2", None]}), "unreadable"),
        truth=pl.DataFrame({"utterance_id": ["u2", "u4"], "anger": 0.5, "joy": 0.5}),
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_listed_exactly(name: str) -> None:
    listed = entries("speaker", [name], [])
    assert [is_listed("speaker", other, listed) for other in NAMES] == [other == name for other in NAMES]
    assert not is_listed("utterance", name, listed)
    assert len(name) < 3 or name not in listed[0]


def test_lists_grow_without_repetition_and_with_one_salt() -> None:
    first = entries("speaker", ["anna"], [])
    assert entries("speaker", ["anna"], first) == ()
    more = entries("utterance", ["u2", "u1", "u1"], first)
    assert len(more) == 2
    assert {entry.split("-")[1] for entry in (*first, *more)} == {first[0].split("-")[1]}
    assert entries("speaker", ["anna"], []) != first  # another project cannot be compared


def test_everything_of_a_speaker_and_of_an_utterance_is_left_out() -> None:
    listed = entries("speaker", ["anna"], [])
    left = without_excluded(data(), [*listed, *entries("utterance", ["u3"], listed)])
    assert left.utterances["utterance_id"].to_list() == ["u2"]
    assert left.votes["utterance_id"].to_list() == ["u2", "u9"]
    assert left.rejects["utterance_id"].to_list() == ["u2", None]
    assert left.truth is not None
    assert left.truth["utterance_id"].to_list() == ["u2"]
    assert left.notes == ("3 utterances are left out: they are listed in ingest.forgotten",)


def test_without_a_match_nothing_changes() -> None:
    corpus = data()
    assert without_excluded(corpus, []) is corpus
    assert without_excluded(corpus, entries("speaker", ["chloe"], [])) is corpus
    assert is_excluded("speaker", pl.Series(["anna", None]), []).to_list() == [False, False]


@pytest.mark.parametrize("entry", ["anna", "speaker-1-2", "rater-0123456789abcdef-" + "0" * 32, ""])
def test_other_entries_are_refused(entry: str) -> None:
    with pytest.raises(UserError, match="expected entries that `ambivox forget` wrote"):
        without_excluded(data(), [entry])
