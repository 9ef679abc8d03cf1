"""A column of sentences is a transcript, whatever it is called; ids with blanks are ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from tests.support.found_tables import CLIPS, VOTES, expected, rows, votes_of, write, write_recordings

SPOKEN = ["Oh my God!", "I don't know what you mean", "Really?", "Fine."]
MANDARIN = ["你好吗？", "我不知道。", "真的？", "好！"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


@pytest.mark.parametrize("spoken", [SPOKEN, MANDARIN])
def test_a_small_table_like_that_of_meld(root: Path, spoken: list[str]) -> None:
    header = ["Sr No.", "Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "file"]
    lines = [
        [str(n + 1), spoken[n], clip[:4], VOTES[n][0], str(n // 2), str(n % 2), f"Ton/{clip}.wav"]
        for n, clip in enumerate(CLIPS)
    ]
    write(root / "table.csv", header, lines)
    data = load(root)
    assert data.utterances["transcript"].to_list() == spoken
    assert data.utterances["utterance_id"].to_list() == [f"Ton/{clip}.wav" for clip in CLIPS]
    assert data.votes["label"].to_list() == [votes[0] for votes in VOTES]


def test_the_same_sentence_in_several_recordings(root: Path) -> None:
    lines = [[*row, SPOKEN[n // 6]] for n, row in enumerate(rows())]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion", "utterance"], lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert data.utterances["transcript"].to_list() == [SPOKEN[n // 2] for n in range(4)]


def test_ids_with_blanks_stay_ids(root: Path) -> None:
    lines = [[*row, f"Session 1 clip {n // 3} take 2"] for n, row in enumerate(rows())]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion", "utterance"], lines)
    data = load(root)
    assert data.utterances["utterance_id"][0] == "Session 1 clip 0 take 2"
    assert "transcript" not in data.utterances.columns
