"""Splits in a user's table: unknown ones, columns that are no splits, and speakers that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest
from ambivox.models.ingestion.splits import UnknownSpeakers
from tests.support.found_tables import CLIPS, rows, write, write_recordings

HEADER = ["file", "speaker", "rater", "emotion"]
ON_BOTH_SIDES = "utterances of unknown speakers are in train (2) and in development or test (2)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_recordings(folder)
    return folder


def write_splits(root: Path, column: str, split_of: dict[str, str], *, is_known: bool = True) -> None:
    """The table of all votes, with the splits of the clips."""
    lines = [
        [file, speaker if is_known else "", *vote, split_of[Path(file).stem]]
        for file, speaker, *vote in rows()
    ]
    write(root / "table.csv", [*HEADER, column], lines)


def ingested(root: Path, unknown_speakers: UnknownSpeakers = "train", **options: str) -> IngestedCorpus:
    data = load(root, **options)  # type: ignore[arg-type]
    return ingest(data, "table", cache=root.parent / "cache.sqlite", unknown_speakers=unknown_speakers)


def test_votes_on_utterances_of_an_unknown_split_are_rejects_that_say_so(root: Path) -> None:
    write_splits(root, "split", dict(zip(CLIPS, ("train", "dev2", "test", "train"), strict=True)))
    corpus = ingested(root)
    assert len(corpus.votes) == 9
    assert corpus.profile["rejects"] == {"unknown split": 1, "vote for a rejected utterance": 3}
    details = set(corpus.rejects.select("utterance_id", "detail").rows())
    assert details == {
        (f"Ton/{CLIPS[1]}.wav", "dev2; expected pretrain, train, development, test"),
        (f"Ton/{CLIPS[1]}.wav", "unknown split"),
    }


def test_unknown_splits_only_are_one_line(root: Path) -> None:
    write_splits(root, "split", dict.fromkeys(CLIPS, "fold3"))
    with pytest.raises(
        UserError, match=r"unknown split 4; for example .*fold3; expected pretrain.*all votes are on"
    ) as error:
        load(root)
    assert "\n" not in str(error.value)


def test_votes_in_a_table_of_their_own_find_the_rejected_utterance(root: Path) -> None:
    clips = [
        [f"Ton/{clip}.wav", clip[:4], split]
        for clip, split in zip(CLIPS, ("train", "x", "test", "dev"), strict=True)
    ]
    write(root / "utterances.csv", ["audio", "speaker", "split"], clips)
    write(
        root / "votes.csv", ["audio", "rater", "emotion"], [[Path(row[0]).stem, *row[2:]] for row in rows()]
    )
    rejects = ingested(root).rejects
    assert rejects.filter(reason="vote for a rejected utterance").height == 3
    assert set(rejects["reason"]) == {"unknown split", "vote for a rejected utterance"}


def test_a_column_with_some_splits_is_noted_and_an_option_reads_it(root: Path) -> None:
    write_splits(root, "subset", dict(zip(CLIPS, ("train", "dev2", "test", "train"), strict=True)))
    corpus = ingested(root)
    assert corpus.rejects.height == 0
    assert any(
        note.startswith("column 'subset' is not read as the split, because it holds 'dev2'")
        for note in corpus.profile["notes"]
    )
    assert ingested(root, split="subset").profile["rejects"]["unknown split"] == 1


def test_a_set_of_stimuli_is_no_split(root: Path) -> None:
    write_splits(root, "set", dict(zip(CLIPS, "ABAB", strict=True)))
    assert not any("split," in note for note in ingested(root).profile["notes"])


@pytest.mark.parametrize(
    ("splits", "unknown_speakers", "why"),
    [
        (("", "", "", ""), "alone", ", because each counts as a speaker of its own"),
        (("train", "dev", "train", "test"), "train", ", as published"),
        (("train", "dev", "train", "test"), "alone", ", as published"),
        (("", "dev", "train", "test"), "train", ""),
    ],
)
def test_only_published_splits_are_called_so(
    root: Path, splits: tuple[str, ...], unknown_speakers: UnknownSpeakers, why: str
) -> None:
    write_splits(root, "split", dict(zip(CLIPS, splits, strict=True)), is_known=False)
    notes = ingested(root, unknown_speakers).profile["notes"]
    assert f"{ON_BOTH_SIDES}{why}: the same speaker may be in both" in notes
