"""CREMA-D: by hand in the official layout, and the real one against an independent count of its CSV."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora.crema_d import SENTENCES, intended_emotion, load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import ingest

REAL = Path(__file__).resolve().parents[4] / "shared" / "crema-d"
HEADER = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote","meanEmoResp"'
ROWS = [
    '"100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11,0.909,"N",71.7',
    '"100002",1,0,2,0,0,0,"1002_DFA_FEA_HI",3,0.667,"F",NA',
    '"100003",0,0,0,0,0,0,"1002_ITH_SAD_X",0,NA,NA,NA',
    '"100004",1,0,0,0,2,0,"1002_TIE_ANG_LO",3,0.667,"N",50',
    '"200001",0,0,0,9,1,0,"1001_IEO_NEU_XX",10,0.9,"H",60',
    '"300001",0,0,0,5,5,0,"1001_IEO_NEU_XX",10,0.5,"H:N",60',
]
PEOPLE = """"ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1002,21,"Female","Asian","Not Hispanic"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two actors; the audio of one utterance is FLAC, of another missing."""
    root = tmp_path / "CREMA-D"
    (root / "AudioWAV").mkdir(parents=True)
    (root / "processedResults").mkdir()
    (root / "processedResults" / "tabulatedVotes.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    (root / "VideoDemographics.csv").write_text(PEOPLE)
    for name in ("1001_IEO_NEU_XX.wav", "1002_DFA_FEA_HI.flac", "1002_ITH_SAD_X.wav"):
        soundfile.write(root / "AudioWAV" / name, 0.1 * np.sin(np.arange(1600) / 7), 16_000)
    return root


def counts(root: Path, **options: object) -> dict[str, list[float]]:
    """Utterance to votes in the order of the labels."""
    corpus = ingest(
        load(root, **options), "crema_d", shares=(0, 0.5, 0, 0.5), cache=root.parent / "cache.sqlite"
    )  # type: ignore[arg-type]
    ids = corpus.utterances.frame["utterance_id"]
    return dict(zip(ids, corpus.votes.counts(ids).tolist(), strict=True))


def test_votes_of_those_who_heard(root: Path) -> None:
    assert counts(root) == {
        "1001_IEO_NEU_XX": [0, 0, 0, 1, 10, 0],
        "1002_DFA_FEA_HI": [1, 0, 2, 0, 0, 0],
        "1002_ITH_SAD_X": [0] * 6,
    }


@pytest.mark.parametrize(
    ("modality", "expected"), [("face", [0, 0, 0, 9, 1, 0]), ("both", [0, 0, 0, 5, 5, 0])]
)
def test_other_modalities(root: Path, modality: str, expected: list[float]) -> None:
    loaded = load(root, modality=modality)  # type: ignore[arg-type]
    assert loaded.utterances["utterance_id"].to_list() == ["1001_IEO_NEU_XX"]
    assert Counter(loaded.votes["label"]) == {"happiness": expected[3], "neutral": expected[4]}


def test_words_demographics_and_a_clip_without_audio(root: Path) -> None:
    corpus = ingest(load(root), "crema_d", shares=(0, 0.5, 0, 0.5), cache=root.parent / "cache.sqlite")
    row = corpus.utterances.frame.row(by_predicate=pl.col("utterance_id") == "1002_DFA_FEA_HI", named=True)
    assert (row["transcript"], row["speaker"], row["sex"], row["age"]) == (
        "Don't forget a jacket.",
        "1002",
        "female",
        21.0,
    )
    assert row["audio"] == str(root / "AudioWAV" / "1002_DFA_FEA_HI.flac")
    assert corpus.profile["rejects"] == {"audio is missing": 1, "votes for an utterance without audio": 1}
    assert len(SENTENCES) == 12


def test_damaged_rows(root: Path) -> None:
    path = root / "processedResults" / "tabulatedVotes.csv"
    damaged = [
        '"100005",x,0,0,1,10,0,"1001_TIE_NEU_XX",11',
        '"100006",0,0,0,1,1,0,"../../etc/passwd",2',
        '"100007",0,0,1',
    ]
    path.write_text("\r\n".join([HEADER, *ROWS, ROWS[0], *damaged]))
    corpus = ingest(load(root), "crema_d", shares=(0, 0.5, 0, 0.5), cache=root.parent / "cache.sqlite")
    by_table = corpus.rejects.filter(file=str(path))
    assert sorted(by_table.select("line", "reason").drop_nulls().rows()) == [
        (8, "duplicate utterance"),
        (9, "unreadable row"),
        (10, "unreadable row"),
        (11, "unreadable row"),
    ]
    assert counts(root)["1001_IEO_NEU_XX"] == [
        0,
        0,
        0,
        1,
        10,
        0,
    ]  # the duplicate row's votes do not count twice
    with pytest.raises(UserError, match="give that as --root"):
        load(root / "AudioWAV")
    path.write_text("")
    with pytest.raises(UserError, match=r"tabulatedVotes\.csv: the file is empty"):
        load(root)


@pytest.mark.crema_d
@pytest.mark.skipif(not REAL.is_dir(), reason="shared/crema-d is not there")
def test_the_real_corpus_agrees_with_an_independent_count(tmp_path: Path) -> None:
    letters = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
    expected: dict[str, dict[str, int]] = {}
    with (REAL / "processedResults" / "tabulatedVotes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row[""].startswith("1"):
                expected[row["fileName"]] = {letters[letter]: int(row[letter]) for letter in letters}
    there = {path.stem for path in (REAL / "AudioWAV").iterdir()}
    corpus = ingest(load(REAL), "crema_d", keep_votes=3, cache=tmp_path / "cache.sqlite")
    frame = corpus.utterances.frame
    assert frame["speaker"].n_unique() == 76
    assert set(frame["utterance_id"]) == there & set(expected)
    assert len(expected) - frame.height == 10 == corpus.profile["rejects"]["audio is missing"]
    all_votes = Counter[tuple[str, str]]()
    for table in (corpus.votes, corpus.heldout):
        all_votes.update(table.frame.select("utterance_id", "label").iter_rows())
    assert all_votes == Counter(
        {(name, label): n for name in there for label, n in expected[name].items() if n}
    )
    assert corpus.profile["votes"] == sum(sum(expected[name].values()) for name in there)
    kept = corpus.votes.frame.group_by("utterance_id").len()
    assert set(kept["len"]) == {3}
    assert kept.height == frame.height
    assert frame.group_by("speaker").agg(pl.col("split").n_unique())["split"].max() == 1
    shares = dict(frame["split"].value_counts(normalize=True).iter_rows())
    for split, share in {"pretrain": 0.6, "train": 0.15, "development": 0.05, "test": 0.2}.items():
        assert shares[split] == pytest.approx(share, abs=0.01)


def test_the_intended_emotion_is_in_a_clips_name() -> None:
    names = ["1001_IEO_ANG_LO", "1040_ITH_SAD_X", "1001_IEO_HAP_XX", "1001_IEO_JOY_XX", "u1", ""]
    assert intended_emotion(pl.Series(names)).to_list() == ["anger", "sadness", "happiness", None, None, None]
    assert intended_emotion(pl.Series([], dtype=pl.String)).to_list() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AudioWAV", "AudioMP3"),
        ("AudioWAV", "audiowav"),
        ("processedResults", "ProcessedResults"),
        ("processedResults/tabulatedVotes.csv", "processedResults/TabulatedVotes.csv"),
        ("VideoDemographics.csv", "videodemographics.csv"),
    ],
)
def test_other_spellings_of_the_layout(root: Path, old: str, new: str) -> None:
    expected = load(root)
    (root / old).rename(root / new)
    found = load(root)
    assert found.votes.drop("file").equals(expected.votes.drop("file"))
    same = found.utterances.with_columns(pl.col("audio", "file").str.replace(new, old, literal=True))
    assert same.equals(expected.utterances)


def test_apple_s_files_and_copies_are_not_taken_for_recordings(root: Path) -> None:
    expected = load(root)
    for name in ("._1001_IEO_NEU_XX.wav", "1001_IEO_NEU_XX (1).wav", "1001_IEO_NEU_XX copy.wav", ".DS_Store"):
        (root / "AudioWAV" / name).write_bytes(b"\x00\x05\x16\x07Mac OS X")
    assert load(root).utterances.equals(expected.utterances)


def test_a_clone_without_git_lfs_says_what_to_run(root: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 80044\n"
    for path in (root / "AudioWAV").iterdir():
        path.write_text(pointer)
    with pytest.raises(UserError, match=r"rejected: audio is a git-lfs pointer 3, .*run git lfs pull"):
        counts(root)


def test_a_silent_clip_is_noted(root: Path) -> None:
    soundfile.write(root / "AudioWAV" / "1001_IEO_NEU_XX.wav", np.zeros(1600), 16_000)
    corpus = ingest(load(root), "crema_d", cache=root.parent / "cache.sqlite")
    assert any(
        note.startswith("1 recording is silent, the first is ") and "1001_IEO_NEU_XX.wav" in note
        for note in corpus.profile["notes"]
    )


def whole_table(root: Path, actors: int = 2) -> list[str]:
    """Write a table of all modalities for every sentence, with a recording of each; its rows."""
    names = [f"{1001 + actor}_{sentence}_ANG_XX" for actor in range(actors) for sentence in SENTENCES]
    for name in names:
        (root / "AudioWAV" / f"{name}.wav").touch()
    rows = [
        f'"{modality}{number:05}",2,0,0,0,1,0,"{name}",3,0.667,"A",50'
        for modality in (1, 2, 3)
        for number, name in enumerate(names, 1)
    ]
    (root / "processedResults" / "tabulatedVotes.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return rows


@pytest.fixture
def bare(root: Path) -> Path:
    """The layout without recordings."""
    for path in (root / "AudioWAV").iterdir():
        path.unlink()
    return root


@pytest.mark.parametrize(
    ("kept", "modality", "lost"),
    [
        (72, "voice", 0),
        (23, "voice", 1),
        (5, "voice", 19),
        (24, "voice", 0),
        (30, "voice", 0),
        (30, "face", 18),
        (71, "both", 1),
        (71, "face", 0),
    ],
)
def test_a_table_cut_at_a_line_s_end(bare: Path, kept: int, modality: str, lost: int) -> None:
    rows = whole_table(bare)
    path = bare / "processedResults" / "tabulatedVotes.csv"
    path.write_text("\n".join([HEADER, *rows[:kept]]) + "\n")
    loaded = load(bare, modality=modality)  # type: ignore[arg-type]
    assert loaded.utterances.height == 24 - lost
    assert loaded.rejects["reason"].to_list() == ["recording without votes"] * lost
    assert all(Path(file).is_file() for file in loaded.rejects["file"])
    is_seen = bool(lost) or kept in (30, 71)  # at the end of the voices, the table is that of the voices only
    assert len(loaded.notes) == is_seen
    if is_seen:
        assert f", and {lost} of 24 recordings have no votes in it" in loaded.notes[0]
        assert loaded.notes[0].startswith(f"{path} ends at row {rows[kept - 1][1:7]}")


def test_recordings_of_some_actors_and_a_table_of_all_are_whole(bare: Path) -> None:
    whole_table(bare)
    for path in (bare / "AudioWAV").glob("1001*"):
        path.unlink()
    assert load(bare).notes == ()
    assert load(bare).rejects.height == 0


def test_rows_of_some_clips_in_another_order_are_no_cut(bare: Path) -> None:
    rows = whole_table(bare)
    table = [HEADER, *sorted(rows, key=lambda row: row.split(",")[7])]
    (bare / "processedResults" / "tabulatedVotes.csv").write_text("\n".join(table))
    assert load(bare).notes == ()


def test_counts_that_are_not_the_number_of_responses(bare: Path) -> None:
    rows = whole_table(bare)
    rows[3] = rows[3].replace(",2,0,0,0,1,0,", ",2,0,0,0,0,0,")
    path = bare / "processedResults" / "tabulatedVotes.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    (note,) = load(bare).notes
    assert note.startswith(f"{path}:5: numResponses is 3, but the counts have another sum, as in 1 row;")
