"""Values of a team's tables that spreadsheets or typing changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora.table import load
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two recordings and no table yet."""
    for number in (1, 2):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * np.sin(np.arange(1600 + number) / 7), 16_000)
    return tmp_path


def ingested(root: Path, **options: object) -> IngestedCorpus:
    """Loaded and ingested without shares of development and test."""
    data = load(root, **options)  # type: ignore[arg-type]
    return ingest(data, "table", shares=(0, 1, 0, 0), cache=root / "cache.sqlite")


def test_spellings_of_a_label_are_folded_and_counted(root: Path) -> None:
    (root / "utterances.csv").write_text("utterance_id,audio\n1,1.wav\n2,2.wav\n")
    (root / "votes.csv").write_text(
        "utterance_id,annotator_id,label\n1,a,Anger\n1,b,anger\n1,c,anger \n2,a,ANGER\n2,b,Neutral\n"
    )
    corpus = ingested(root)
    assert corpus.votes.labels == ("Neutral", "anger")
    assert corpus.profile["notes"] == [
        "2 labels differ from another one only by case or blanks: ANGER counts as anger, Anger counts as anger"
    ]
    assert ingested(root, labels=("ANGER", "NEUTRAL")).votes.labels == ("ANGER", "NEUTRAL")
    assert ingested(root, labels=("ANGER", "NEUTRAL")).rejects.height == 0
    given = ingested(root, labels=("ANGER", "Anger", "anger", "neutral"))
    assert "1 label differs" in given.profile["notes"][0]
    assert set(given.votes.frame["label"]) == {"ANGER", "Anger", "anger", "neutral"}


def test_labels_in_a_list_with_blanks_and_cases(root: Path) -> None:
    pl.DataFrame(
        {"utterance_id": ["1", "2"], "audio": ["1.wav", "2.wav"], "label": [["joy", " Joy"], ["joy", "fear"]]}
    ).write_parquet(root / "utterances.parquet")
    assert ingested(root, shape="list").votes.labels == ("fear", "joy")


@pytest.mark.parametrize("word", ["nan", "N/A", "NA", "none", "None", "null", "-", "?", ""])
def test_words_for_nothing_are_nothing(root: Path, word: str) -> None:
    (root / "utterances.csv").write_text(f"utterance_id,audio,speaker\n1,1.wav,{word}\n2,2.wav,s1\n")
    (root / "votes.csv").write_text(
        f"utterance_id,annotator_id,label\n1,a,joy\n1,b,{word}\n2,{word},joy\n2,b,joy\n"
    )
    corpus = ingested(root)
    assert corpus.votes.labels == ("joy",)
    assert corpus.utterances.frame["speaker"].to_list() == [None, "s1"]
    assert corpus.rejects.select("line", "reason").rows() == [(3, "incomplete vote"), (4, "incomplete vote")]
    notes = [f"{what} {word!r} count as missing in 1 row" for what in ("speakers", "labels", "annotators")]
    assert corpus.profile["notes"] == (notes if word else [])


def test_a_given_label_may_be_called_none(root: Path) -> None:
    (root / "utterances.csv").write_text("utterance_id,audio,label\n1,1.wav,none\n2,2.wav,joy\n")
    corpus = ingested(root, labels=("joy", "none"))
    assert corpus.rejects.height == 0
    assert corpus.profile["notes"] == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_that_became_floats_are_whole_numbers_again(root: Path, suffix: str) -> None:
    utterances = pl.DataFrame(
        {"utterance_id": [101, 102], "audio": ["1.wav", "2.wav"], "speaker": [7.0, None]}
    )
    votes = pl.DataFrame(
        {"utterance_id": [101.0, 102.0, 102.0], "annotator_id": [1.0, 1.0, 2.0], "label": ["joy"] * 3}
    )
    for stem, table in (("utterances", utterances), ("votes", votes)):
        path = root / f"{stem}.{suffix}"
        table.write_csv(path) if suffix == "csv" else table.write_parquet(path)
    corpus = ingested(root)
    assert corpus.rejects.height == 0
    assert corpus.utterances.frame.select("utterance_id", "speaker").rows() == [("101", "7"), ("102", None)]
    assert set(corpus.votes.frame["annotator_id"]) == {"1", "2"}
    assert corpus.profile["notes"] == [
        "speakers such as '7.0' are read as whole numbers in 1 row: '7'",
        "utterance ids of votes such as '101.0' are read as whole numbers in 3 rows: '101'",
        "annotators such as '1.0' are read as whole numbers in 3 rows: '1'",
    ]


def test_ids_with_a_point_or_leading_zeros_stay_text(root: Path) -> None:
    (root / "utterances.csv").write_text("utterance_id,audio,speaker\n1.0,1.wav,001\n1.1,2.wav,002\n")
    (root / "votes.csv").write_text("utterance_id,annotator_id,label\n1.0,007,joy\n")
    corpus = ingested(root)
    assert corpus.utterances.frame.select("utterance_id", "speaker").rows() == [
        ("1.0", "001"),
        ("1.1", "002"),
    ]
    assert corpus.votes.frame.select("utterance_id", "annotator_id").rows() == [("1.0", "007")]
    assert corpus.rejects.height == 0
    assert corpus.profile["notes"] == []


def test_ages_that_are_not_numbers_are_noted(root: Path) -> None:
    (root / "utterances.csv").write_text(
        "utterance_id,audio,age,label\n1,1.wav,thirty,joy\n2,2.wav,n/a,joy\n"
    )
    assert ingested(root).profile["notes"] == [
        "ages 'n/a' count as missing in 1 row",
        "1 age is no number and counts as missing, such as 'thirty'",
    ]
