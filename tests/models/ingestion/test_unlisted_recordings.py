"""Recordings that no row names are counted, for every corpus whose tables may be cut at the end of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora import iemocap, msp_podcast, table
from ambivox.models.ingestion.unlisted_recordings import unlisted_note, unlisted_recordings


def test_what_counts_as_a_recording(tmp_path: Path) -> None:
    names = ("a.wav", "B.WAV", "c.flac", "c.mp3", "d.mp3", "._a.wav", "notes.txt", "é.wav")
    for name in names:
        (tmp_path / name).touch()
    listed = [f"{tmp_path}/{name}" for name in ("a.wav", "b.wav", "c.wav", "gone.wav")]
    found = unlisted_recordings([*listed, "s3://bucket/x.wav", f"{tmp_path}/absent/y.wav", "\0/z.wav"])
    assert found == [f"{tmp_path}/d.mp3", f"{tmp_path}/é.wav"]
    assert unlisted_note(listed, "t.csv")[0].startswith("2 recordings are in no row of t.csv and not read")
    assert unlisted_note([f"{tmp_path}/{name}" for name in names], "t.csv") == []
    assert len(unlisted_recordings([], [str(tmp_path)])) == 6


@pytest.mark.parametrize(("kept", "lost"), [(6, 0), (5, 1), (2, 4)])
def test_a_table_with_votes_in_its_rows(tmp_path: Path, kept: int, lost: int) -> None:
    rows = [f"dia{number}_utt0,clips/dia{number}_utt0.wav,anger" for number in range(6)]
    (tmp_path / "clips").mkdir()
    for number in range(6):
        (tmp_path / "clips" / f"dia{number}_utt0.wav").touch()
    (tmp_path / "utterances.csv").write_text("\n".join(["utterance_id,audio,label", *rows[:kept]]) + "\n")
    notes = [note for note in table.load(tmp_path).notes if "in no row" in note]
    assert len(notes) == bool(lost)
    assert all(note.startswith(f"{lost} recording") and "utterances.csv" in note for note in notes)


@pytest.mark.parametrize(("kept", "answers"), [(3, 3), (2, 3), (3, 2), (1, 1)])
def test_both_tables_of_msp_podcast(tmp_path: Path, kept: int, answers: int) -> None:
    for name in ("Labels", "Audios"):
        (tmp_path / name).mkdir()
    files = [f"MSP-PODCAST_000{number}_0001.wav" for number in range(3)]
    for name in files:
        (tmp_path / "Audios" / name).touch()
    sets = ["Train", "Development", "Test2"]
    rows = [f"{name},7,Male,{part}" for name, part in zip(files, sets, strict=True)][:kept]
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(
        "\n".join(["FileName,SpkrID,Gender,Split_Set", *rows])
    )
    rows = [f"{name},W1,Angry" for name in files][:answers]
    (tmp_path / "Labels" / "labels_detailed.csv").write_text(
        "\n".join(["FileName,Worker,EmoClass_Major", *rows])
    )
    notes = msp_podcast.load(tmp_path).notes
    assert any(note.startswith(f"{3 - kept} recording") for note in notes) == (kept < 3)
    unanswered = max(0, kept - answers)
    assert any(note.startswith(f"{unanswered} of {kept} sentences") for note in notes) == bool(unanswered)
    left_out = msp_podcast.load(tmp_path, tests=("Test1",)).notes
    assert any("in no row" in note for note in left_out) == (kept < 3)


BLOCK = """[1.0000 - 2.0000]\tSes01F_impro01_F{number:03}\tang\t[1.5000, 4.0000, 4.5000]
C-E1:\tAnger;\t()
C-E2:\tAnger;\t()
A-E1:\tval 2; act 4; dom  4;\t()

"""


@pytest.mark.parametrize(
    ("lines", "is_within"),
    [
        (16, False),
        (11, False),
        (10, False),
        (1, False),
        (8, True),
        (9, True),
        (12, True),
        (13, True),
        (14, True),
    ],
)
def test_evaluations_of_iemocap(tmp_path: Path, lines: int, is_within: bool) -> None:
    dialog = tmp_path / "Session1" / "dialog"
    wavs = tmp_path / "Session1" / "sentences" / "wav" / "Ses01F_impro01"
    for folder in (dialog / "EmoEvaluation", dialog / "transcriptions", wavs):
        folder.mkdir(parents=True)
    for number in range(3):
        (wavs / f"Ses01F_impro01_F{number:03}.wav").touch()
    text = ["% head", *"".join(BLOCK.format(number=number) for number in range(3)).splitlines()]
    (dialog / "EmoEvaluation" / "Ses01F_impro01.txt").write_text("\n".join(text[:lines]) + "\n")
    loaded = iemocap.load(tmp_path)
    notes = [note for note in loaded.notes if "get it again" in note]
    unlisted = 3 - loaded.utterances.height
    assert any(note.startswith(f"{unlisted} recording") for note in notes) == bool(unlisted)
    assert any("ends within a turn" in note for note in notes) == is_within
    assert not [note for note in iemocap.load(tmp_path, dialogs="scripted").notes if "get it again" in note]
