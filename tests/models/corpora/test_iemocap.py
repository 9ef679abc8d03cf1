"""IEMOCAP from files written by hand after the format's description, with its awkward cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora.iemocap import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest
from ambivox.models.ingestion.labels import FOUR
from ambivox.models.ingestion.splits import DEFAULT_SHARES

IMPRO = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[140.2250 - 145.6000]\tSes01F_impro05_F019\tang\t[1.5000, 4.0000, 4.5000]
C-E1:\tAnger;\t()
C-E3:\tAnger; Frustration;\t()
C-E4:\tAnger;\t()
C-F1:\tFrustration;\t()
A-E3:\tval 2; act 4; dom  4;\t()
A-F1:\tval 1; act 5; dom  5;\t()

[145.7000 - 147.0000]\tSes01F_impro05_M003\txxx\t[2.5000, 2.0000, 2.5000]
C-E1:\tHappiness; Excited;\t()
C-E3:\tNeutral state;\t(calm; or bored)
C-E4:\tOther;\t(curious)
C-M1:\tNeutral state;\t()
A-E3:\tval 3; act 2; dom  2;\t()
"""
WORDS = b"""Ses01F_impro05_F019 [140.2250-145.6000]: You can\x92t do that, na\xefve as it is.
Ses01F_impro05_MXX0 [145.0000-145.2000]: [LAUGHTER]
M: Excuse me.
Ses01F_impro05_M003 [145.7000-147.0000]:  Why not?
"""


def sound(path: Path) -> None:
    """A tenth of a second of audio, no two alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(list(path.name.encode())).normal(scale=0.1, size=1600)
    soundfile.write(path, noise, 16_000)


def evaluation(dialog: str, turns: dict[str, str]) -> str:
    """A label file in which evaluators E1 to E3 agree on each turn."""
    blocks = [
        f"[{second}.0000 - {second}.9000]\t{dialog}_{turn}\txxx\t[2.5000, 2.5000, 2.5000]\n"
        + "".join(f"C-E{rater}:\t{label};\t()\n" for rater in (1, 2, 3))
        for second, (turn, label) in enumerate(turns.items())
    ]
    return "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "\n".join(blocks)


def write_dialog(root: Path, dialog: str, labels: str | bytes, words: bytes, turns: list[str]) -> Path:
    """One dialogue in the official layout; returns its label file."""
    folder = root / f"Session{dialog[4]}"
    for name in ("EmoEvaluation", "transcriptions"):
        (folder / "dialog" / name).mkdir(parents=True, exist_ok=True)
    path = folder / "dialog" / "EmoEvaluation" / f"{dialog}.txt"
    path.write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    (folder / "dialog" / "transcriptions" / f"{dialog}.txt").write_bytes(words)
    for turn in turns:
        sound(folder / "sentences" / "wav" / dialog / f"{dialog}_{turn}.wav")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five sessions: improvised in the first, as above; a scripted dialogue with Windows line ends in each."""
    root = tmp_path / "IEMOCAP_full_release"
    path = write_dialog(root, "Ses01F_impro05", IMPRO, WORDS, ["F019", "M003"])
    (path.parent / "._Ses01F_impro05.txt").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (path.parent / "Categorical").mkdir()
    for session in range(1, 6):
        dialog = f"Ses0{session}M_script01_1"
        turns = {"F000": "Sadness", "M000": "Neutral", "F001": "Surprise"}
        windows = evaluation(dialog, turns).replace("\n", "\r\n").encode()
        words = f"{dialog}_F000 [000.0000-000.9000]: Hello.\r\n".encode()
        write_dialog(root, dialog, windows, words, list(turns))
    return root


def ingested(root: Path, tmp_path: Path, schema: str = "full", **options: object) -> IngestedCorpus:
    """Loaded and ingested, with a probe cache of its own."""
    loaded = load(root, **options)  # type: ignore[arg-type]
    return ingest(loaded, "iemocap", schema_name=schema, cache=tmp_path / "cache.sqlite")


def votes_of(corpus: IngestedCorpus, turn: str) -> dict[tuple[str, str], float]:
    """Annotator and label to weight."""
    rows = corpus.votes.frame.filter(pl.col("utterance_id") == turn)
    return {(row["annotator_id"], row["label"]): row["weight"] for row in rows.iter_rows(named=True)}


def test_every_outside_evaluator_has_one_vote(root: Path, tmp_path: Path) -> None:
    corpus = ingested(root, tmp_path)
    assert votes_of(corpus, "Ses01F_impro05_F019") == {
        ("E1", "anger"): 1.0,
        ("E3", "anger"): 0.5,
        ("E3", "frustration"): 0.5,
        ("E4", "anger"): 1.0,
    }
    assert votes_of(corpus, "Ses01F_impro05_M003") == {
        ("E1", "happiness"): 0.5,
        ("E1", "excitement"): 0.5,
        ("E3", "neutral"): 1.0,
        ("E4", "other"): 1.0,
    }
    assert corpus.rejects.height == 0
    assert corpus.profile["votes"] == 2 * 3 + 15 * 3
    assert corpus.votes.labels == (
        "anger",
        "happiness",
        "excitement",
        "sadness",
        "neutral",
        "frustration",
        "fear",
        "surprise",
        "disgust",
        "other",
    )
    assert votes_of(corpus, "Ses02M_script01_1_M000") == {
        (f"E{rater}", "neutral"): 1.0 for rater in (1, 2, 3)
    }


def test_dimensions_of_evaluators_and_the_mean_of_the_first_line(root: Path, tmp_path: Path) -> None:
    path = root / "Session1/dialog/EmoEvaluation/Ses01F_impro05.txt"
    text = path.read_text().replace(
        "A-E3:\tval 3; act 2; dom  2;", "A-E3:\tval 3; act ; dom  2.5;\t()\nA-E4:\tval ; act ; dom ;"
    )
    path.write_text(text)
    corpus = ingested(root, tmp_path)
    assert corpus.ratings is not None
    columns = ["annotator_id", "arousal", "valence", "dominance", "lowest", "highest"]
    rows = {
        turn: corpus.ratings.frame.filter(utterance_id=turn).select(columns).rows()
        for turn in ("Ses01F_impro05_F019", "Ses01F_impro05_M003", "Ses02M_script01_1_M000")
    }
    assert rows == {
        "Ses01F_impro05_F019": [(None, 4.0, 1.5, 4.5, 1.0, 5.0), ("E3", 4.0, 2.0, 4.0, 1.0, 5.0)],
        "Ses01F_impro05_M003": [(None, 2.0, 2.5, 2.5, 1.0, 5.0), ("E3", None, 3.0, 2.5, 1.0, 5.0)],
        "Ses02M_script01_1_M000": [(None, 2.5, 2.5, 2.5, 1.0, 5.0)],
    }
    assert corpus.rejects.height == 0
    with_actors = ingested(root, tmp_path, self_reports=True).ratings
    assert with_actors is not None
    actors = with_actors.frame.filter(pl.col("annotator_id") == "Ses01_F1")
    assert actors.select(columns[1:4]).rows() == [(5.0, 1.0, 5.0)]


def test_speaker_is_named_by_the_last_part_and_words_are_found(root: Path, tmp_path: Path) -> None:
    corpus = ingested(root, tmp_path)
    rows = {row["utterance_id"]: row for row in corpus.utterances.frame.iter_rows(named=True)}
    assert len(rows) == 17
    man, woman = rows["Ses01F_impro05_M003"], rows["Ses01F_impro05_F019"]
    assert (man["speaker"], man["sex"], man["transcript"]) == ("Ses01_M", "male", "Why not?")
    assert (woman["speaker"], woman["sex"]) == ("Ses01_F", "female")
    assert woman["transcript"] == "You can’t do that, naïve as it is."  # Windows-1252, as in the corpus
    assert rows["Ses03M_script01_1_F000"]["transcript"] == "Hello."
    assert rows["Ses03M_script01_1_M000"]["transcript"] is None
    assert corpus.profile["without"]["transcript"] == 10
    assert "1 file read as Windows-1252, as not UTF-8" in corpus.profile["notes"]
    assert not any("official" in note for note in corpus.profile["notes"])
    assert corpus.profile["speakers"] == 10


def test_self_reports_vote_by_option(root: Path, tmp_path: Path) -> None:
    corpus = ingested(root, tmp_path, self_reports=True)
    assert votes_of(corpus, "Ses01F_impro05_F019")[("Ses01_F1", "frustration")] == 1.0
    assert votes_of(corpus, "Ses01F_impro05_M003")[("Ses01_M1", "neutral")] == 1.0


def test_excited_and_happy_merge_into_one_vote(root: Path, tmp_path: Path) -> None:
    merged = ingested(root, tmp_path, merge_excited=True)
    assert votes_of(merged, "Ses01F_impro05_M003")[("E1", "happiness")] == 1.0
    assert "excitement" not in merged.votes.labels
    four = ingested(root, tmp_path, schema="four")
    assert four.votes.labels == tuple(FOUR)
    assert votes_of(four, "Ses01F_impro05_M003") == {("E1", "happiness"): 1.0, ("E3", "neutral"): 1.0}
    assert votes_of(four, "Ses01F_impro05_F019")[("E3", "anger")] == 1.0  # frustration's half is gone
    assert four.profile["dropped_votes"] == {"frustration": 1, "other": 1, "surprise": 15}
    # An utterance whose votes are all dropped stays, with none.
    assert votes_of(four, "Ses02M_script01_1_F001") == {}
    assert "Ses02M_script01_1_F001" in four.utterances.frame["utterance_id"]
    assert four.profile["without"]["votes"] == 5


@pytest.mark.parametrize(("dialogs", "count"), [("all", 17), ("improvised", 2), ("scripted", 15)])
def test_kinds_of_dialogue(root: Path, dialogs: str, count: int) -> None:
    assert load(root, dialogs=dialogs).utterances.height == count  # type: ignore[arg-type]


@pytest.mark.parametrize("session", [1, 4])
def test_leave_one_session_out(root: Path, tmp_path: Path, session: int) -> None:
    loaded = load(root, test_session=session)
    corpus = ingest(
        loaded, "iemocap", shares=DEFAULT_SHARES, cache=tmp_path / "cache.sqlite"
    ).utterances.frame
    test = corpus.filter(pl.col("split") == "test")
    assert set(test["speaker"]) == {f"Ses0{session}_F", f"Ses0{session}_M"}
    assert set(corpus.filter(pl.col("speaker").str.starts_with(f"Ses0{session}"))["split"]) == {"test"}
    rest = corpus.filter(pl.col("split") != "test")
    assert set(rest["split"]) == {"pretrain", "train", "development"}
    assert rest.group_by("speaker").agg(pl.col("split").n_unique())["split"].max() == 1


def test_no_such_session(root: Path) -> None:
    with pytest.raises(UserError, match="no session 7"):
        load(root, test_session=7)


def test_damage_has_a_file_and_a_line(root: Path, tmp_path: Path) -> None:
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro05.txt"
    lines = IMPRO.split("\n")
    lines[3] = "C-E1:\tGrumpy;\t()"  # a label there is not
    lines[10] = "[145.7000 - 147.0"  # a header cut short: its votes are nobody's
    path.write_text("\n".join(lines[:13]) + "\nC-E4:\tOth")  # and the file is cut short too
    (root / "Session5" / "sentences" / "wav" / "Ses05M_script01_1" / "Ses05M_script01_1_F000.wav").unlink()
    corpus = ingested(root, tmp_path)
    rows = [
        (row["line"], row["reason"])
        for row in corpus.rejects.iter_rows(named=True)
        if row["file"] == str(path)
    ]
    assert rows == [
        (4, "unknown label"),
        (11, "unreadable line"),
        (12, "vote outside a turn"),
        (13, "vote outside a turn"),
        (14, "unreadable line"),
    ]
    assert votes_of(corpus, "Ses01F_impro05_F019") == {
        ("E3", "anger"): 0.5,
        ("E3", "frustration"): 0.5,
        ("E4", "anger"): 1.0,
    }
    assert corpus.profile["rejects"]["audio is missing"] == 1
    assert corpus.profile["rejects"]["votes for an utterance without audio"] == 1


def test_a_turn_that_comes_twice_keeps_its_first_block(root: Path, tmp_path: Path) -> None:
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro05.txt"
    block = "\n[150.0 - 151.0]\tSes01F_impro05_F019\tsad\t[1.0, 1.0, 1.0]\nC-E1:\tSadness;\t()\n"
    path.write_text(IMPRO + block)
    corpus = ingested(root, tmp_path)
    assert votes_of(corpus, "Ses01F_impro05_F019")[("E1", "anger")] == 1.0
    assert corpus.profile["rejects"] == {"duplicate utterance": 1, "vote outside a turn": 1}


def test_a_root_too_deep_or_too_high_is_told_where(root: Path) -> None:
    with pytest.raises(UserError, match=r"is not here but in .*IEMOCAP_full_release; give that as --root"):
        load(root.parent)
    with pytest.raises(UserError, match=r"is not here but in .*IEMOCAP_full_release; give that as --root"):
        load(root / "Session1")
    with pytest.raises(UserError, match="no such folder"):
        load(root / "Session9")


def test_folders_are_found_in_any_case(root: Path, tmp_path: Path) -> None:
    before = votes_of(ingested(root, tmp_path / "before"), "Ses01F_impro05_F019")
    for folder in ("dialog/EmoEvaluation", "sentences/wav", "dialog", "sentences", ""):
        path = root / "Session1" / folder
        path.rename(path.with_name(path.name.lower()))
    assert votes_of(ingested(root, tmp_path / "after"), "Ses01F_impro05_F019") == before


@pytest.mark.parametrize(
    "copy",
    [
        "Ses01F_impro05 (1).txt",
        "Ses01F_impro05 copy.txt",
        "Ses01F_impro05_old.txt",
        "Copy of Ses01F_impro05.txt",
        "Ses01F_impro05-1.txt",
    ],
)
@pytest.mark.parametrize("folder", ["EmoEvaluation", "transcriptions"])
def test_copies_beside_the_official_files_are_not_read(root: Path, copy: str, folder: str) -> None:
    before = load(root)
    path = root / "Session1" / "dialog" / folder / "Ses01F_impro05.txt"
    changed = path.read_bytes().replace(b"Anger", b"Fear").replace(b"Why not", b"Because")
    path.with_name(copy).write_bytes(changed)
    after = load(root)
    assert after.utterances.equals(before.utterances)
    assert after.votes.equals(before.votes)
    assert after.rejects.height == 0
    assert f"1 file is not read, as no official one, such as {copy}" in after.notes


@pytest.mark.parametrize("blank", [" ", "    ", "", " \t "])
def test_lost_tabs_lose_nothing(root: Path, blank: str) -> None:
    before = load(root)
    for path in root.glob("Session*/dialog/EmoEvaluation/Ses*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\t", blank.encode()))
    after = load(root)
    assert after.utterances.equals(before.utterances)
    assert after.votes.equals(before.votes)
    assert after.rejects.height == 0


def test_apple_s_files_are_not_read(root: Path) -> None:
    before = load(root)
    for folder in list(root.glob("Session*/dialog/*")) + list(root.glob("Session*/sentences/wav/*")):
        for path in list(folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                (folder / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
        (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    after = load(root)
    assert after.utterances.equals(before.utterances)
    assert after.votes.equals(before.votes)
    assert after.notes == before.notes
