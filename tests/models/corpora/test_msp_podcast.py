"""MSP-Podcast from files written by hand after the format's description: three shapes, one result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora.msp_podcast import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest

CONSENSUS = """FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,127,Female,Train
MSP-PODCAST_0001_0019.wav,A,5.2,2.0,5.6,127,Female,Train
MSP-PODCAST_0002_0033.wav,X,3.0,3.0,3.0,Unknown,Male,Development
MSP-PODCAST_0003_0001.wav,S,2.0,2.0,3.0,Unknown,Unknown,Test1
MSP-PODCAST_0004_0001.wav,H,5.0,6.0,4.0,203,Male,Test2
"""
ANSWERS = [
    ("MSP-PODCAST_0001_0008.wav", "WORKER00000005", "Neutral", "Neutral,Concerned"),
    ("MSP-PODCAST_0001_0008.wav", "WORKER00000006", "Other-thoughtful, calm", "Neutral"),
    ("MSP-PODCAST_0001_0019.wav", "WORKER00000005", "Angry", "Angry,Annoyed"),
    ("MSP-PODCAST_0001_0019.wav", "WORKER00000007", "Contempt", "Angry"),
    ("MSP-PODCAST_0002_0033.wav", "WORKER00000007", "Other", ""),
    ("MSP-PODCAST_0003_0001.wav", "WORKER00000001", "Sad", "Sad"),
    ("MSP-PODCAST_0004_0001.wav", "WORKER00000001", "Happy", "Amused"),
]
EXPECTED = {
    ("MSP-PODCAST_0001_0008", "WORKER00000005", "neutral"),
    ("MSP-PODCAST_0001_0008", "WORKER00000006", "other"),
    ("MSP-PODCAST_0001_0019", "WORKER00000005", "anger"),
    ("MSP-PODCAST_0001_0019", "WORKER00000007", "contempt"),
    ("MSP-PODCAST_0002_0033", "WORKER00000007", "other"),
    ("MSP-PODCAST_0003_0001", "WORKER00000001", "sadness"),
    ("MSP-PODCAST_0004_0001", "WORKER00000001", "happiness"),
}


def write_answers(root: Path, shape: str, answers: list[tuple[str, str, str, str]]) -> Path:
    """The workers' answers in one of the three shapes (the first has two spellings)."""
    if shape == "json":
        tree: dict[str, dict[str, dict[str, object]]] = {}
        for name, worker, major, second in answers:
            dimensions = {"EmoAct": 2.0, "EmoVal": 5.0, "EmoDom": 4.0}
            tree.setdefault(name, {})[worker] = {
                "EmoClass_Major": major,
                "EmoClass_Second": second,
            } | dimensions
        path = root / "Labels" / "labels_detailed.json"
        path.write_text(json.dumps(tree, indent=1))
        return path
    path = root / "Labels" / "labels_detailed.csv"
    if shape == "packed":
        lines = ["FileName,EmoDetail"] + [
            f'{name},"{worker}; {major}; {second}; A:2.000000; V:5.000000; D:4.000000;"'
            for name, worker, major, second in answers
        ]
    else:
        lines = [f"FileName,{shape},EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom"] + [
            f'{name},{worker},"{major}","{second}",2.0,5.0,4.0' for name, worker, major, second in answers
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five sentences, one without a transcript; the label file is the test's."""
    root = tmp_path / "MSP-PODCAST"
    for name in ("Labels", "Audios", "Transcripts"):
        (root / name).mkdir(parents=True)
    (root / "Labels" / "labels_consensus.csv").write_text(CONSENSUS)
    for index, line in enumerate(CONSENSUS.splitlines()[1:]):
        name = line.split(",")[0]
        soundfile.write(root / "Audios" / name, 0.1 * np.sin(np.arange(1600 + index) / 7), 16_000)
        if index != 2:
            (root / "Transcripts" / name.replace(".wav", ".txt")).write_text(f"This is\n number {index}. \n")
    return root


def ingested(root: Path, **options: object) -> IngestedCorpus:
    """Loaded and ingested with a cache of its own."""
    return ingest(load(root, **options), "msp_podcast", cache=root.parent / "cache.sqlite")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["Worker", "Workers", "packed", "json"])
def test_three_shapes_give_the_same_votes(root: Path, shape: str) -> None:
    write_answers(root, shape, ANSWERS)
    corpus = ingested(root)
    assert corpus.rejects.height == 0
    assert set(corpus.votes.frame.select("utterance_id", "annotator_id", "label").rows()) == EXPECTED
    assert len(corpus.votes) == len(EXPECTED)
    assert set(corpus.votes.frame["weight"]) == {1.0}


@pytest.mark.parametrize("shape", ["Worker", "packed", "json"])
def test_three_shapes_give_the_same_ratings(root: Path, shape: str) -> None:
    write_answers(root, shape, ANSWERS)
    corpus = ingested(root, tests=("Test1",))
    assert corpus.ratings is not None
    frame = corpus.ratings.frame
    assert set(frame.select("lowest", "highest").rows()) == {(1.0, 7.0)}
    columns = ["utterance_id", "annotator_id", "arousal", "valence", "dominance"]
    of_workers = frame.filter(pl.col("annotator_id").is_not_null()).select(columns)
    expected = {(name, worker, 2.0, 5.0, 4.0) for name, worker, _ in EXPECTED if "0004" not in name}
    assert set(of_workers.rows()) == expected
    means = frame.filter(pl.col("annotator_id").is_null()).select(columns[2:]).rows()
    assert means == [(2.2, 4.0, 2.6), (5.2, 2.0, 5.6), (3.0, 3.0, 3.0), (2.0, 2.0, 3.0)]
    assert corpus.profile["ratings"]["arousal"]["mean"] == pytest.approx(3.1)
    assert corpus.profile["ratings"]["annotators"] == 4


def test_ratings_off_the_scale_are_rejected_and_none_are_no_ratings(root: Path) -> None:
    path = write_answers(root, "Worker", ANSWERS)
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("2.0,5.0,4.0", "2.0,9.0,4.0")
    lines[2] = lines[2].replace("2.0,5.0,4.0", "nan,5.0,4.0")
    lines[3] = lines[3].replace("2.0,5.0,4.0", ",,")
    lines[4] = lines[4].replace("2.0,5.0,4.0", ",3.0,?")
    path.write_text("\n".join([*lines, lines[5].replace("2.0,5.0,4.0", "1.0,1.0,1.0")]) + "\n")
    corpus = ingested(root)
    reasons = corpus.rejects["reason"].to_list()
    outside = ["rating outside the scale"] * 2
    assert sorted(reasons) == ["duplicate vote", *outside, "several ratings of one annotator"]
    assert corpus.rejects.filter(reason="rating outside the scale")["line"].to_list() == [2, 3]
    assert len(corpus.votes) == len(EXPECTED)
    assert corpus.ratings is not None
    of_workers = corpus.ratings.frame.filter(pl.col("annotator_id").is_not_null())
    assert of_workers.height == len(EXPECTED) - 3
    assert of_workers.filter(valence=3.0).select("arousal", "dominance").rows() == [(None, None)]


def test_a_release_without_dimensions(root: Path) -> None:
    path = root / "Labels" / "labels_consensus.csv"
    pl.read_csv(path).drop("EmoAct", "EmoVal", "EmoDom").write_csv(path)
    write_answers(root, "json", ANSWERS)
    detailed = root / "Labels" / "labels_detailed.json"
    content = json.loads(detailed.read_text())
    for answers in content.values():
        for answer in answers.values():
            for name in ("EmoAct", "EmoVal", "EmoDom"):
                del answer[name]
    detailed.write_text(json.dumps(content))
    corpus = ingested(root)
    assert corpus.ratings is None
    assert "ratings" not in corpus.profile
    assert len(corpus.votes) == len(EXPECTED)


def test_utterances_splits_speakers_and_words(root: Path) -> None:
    write_answers(root, "Worker", ANSWERS)
    corpus = ingested(root)
    columns = ("split", "speaker", "sex", "transcript")
    rows = {
        row["utterance_id"][-9:]: tuple(row[name] for name in columns)
        for row in corpus.utterances.frame.to_dicts()
    }
    assert rows == {
        "0001_0008": ("train", "127", "female", "This is number 0."),
        "0001_0019": ("train", "127", "female", "This is number 1."),
        "0002_0033": ("development", None, "male", None),
        "0003_0001": ("test", None, None, "This is number 3."),
        "0004_0001": ("test", "203", "male", "This is number 4."),
    }
    assert corpus.profile["without"]["transcript"] == 1
    assert corpus.profile["straddling"] == {"speakers": 0, "unknown_train": 0, "unknown_other": 2}


def test_unknown_speakers_on_both_sides_are_shown(root: Path) -> None:
    path = root / "Labels" / "labels_consensus.csv"
    path.write_text(CONSENSUS.replace("127,Female,Train", "Unknown,Female,Train", 1))
    write_answers(root, "Worker", ANSWERS)
    notes = ingested(root).profile["notes"]
    assert any("unknown speakers are in train (1) and in development or test (2)" in note for note in notes)


def test_only_some_test_sets(root: Path) -> None:
    write_answers(root, "json", ANSWERS)
    corpus = ingested(root, tests=("Test1",))
    assert corpus.utterances.frame.filter(pl.col("split") == "test")["utterance_id"].to_list() == [
        "MSP-PODCAST_0003_0001"
    ]
    assert any("1 sentences of other test sets" in note for note in corpus.profile["notes"])
    assert corpus.rejects.height == 0


@pytest.mark.parametrize("shape", ["Worker", "packed", "json"])
def test_strange_answers_are_rejected_with_their_line(root: Path, shape: str) -> None:
    strange = [
        *ANSWERS,
        ("MSP-PODCAST_0001_0008.wav", "WORKER00000009", "Grumpy", ""),
        ("MSP-PODCAST_9999_0001.wav", "WORKER00000009", "Sad", ""),
    ]
    path = write_answers(root, shape, strange)
    corpus = ingested(root)
    line = {"json": [None, None]}.get(shape, [9, 10])
    rows = corpus.rejects.sort("utterance_id").select("file", "line", "utterance_id", "reason").rows()
    assert rows == [
        (str(path), line[0], "MSP-PODCAST_0001_0008", "unknown label"),
        (str(path), line[1], "MSP-PODCAST_9999_0001", "vote for an unknown utterance"),
    ]
    assert len(corpus.votes) == len(EXPECTED)


def test_a_label_file_cut_short(root: Path) -> None:
    path = write_answers(root, "Worker", ANSWERS)
    content = path.read_text()
    path.write_text(content[: content.rindex("WORKER00000001") + 14])
    corpus = ingested(root)
    assert corpus.rejects.select("line", "reason").rows() == [(8, "unreadable row")]
    path.unlink()
    packed = write_answers(root, "packed", ANSWERS)
    content = packed.read_text()
    packed.write_text(content[: content.rindex("Happy") + 3] + '"')
    assert ingested(root).rejects.select("line", "reason").rows() == [(8, "unreadable row")]
    packed.unlink()
    tree = write_answers(root, "json", ANSWERS)
    tree.write_text(tree.read_text()[:-40])
    with pytest.raises(
        UserError, match=r"labels_detailed\.json:\d+: not readable as JSON, perhaps cut short"
    ):
        ingested(root)


def test_duplicates_windows_line_ends_and_latin_1(root: Path) -> None:
    write_answers(root, "Worker", [*ANSWERS, ANSWERS[0]])
    path = root / "Labels" / "labels_consensus.csv"
    doubled = CONSENSUS + CONSENSUS.splitlines()[2] + "\n"
    path.write_bytes(doubled.replace("\n", "\r\n").encode())
    (root / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_bytes("Déjà vu.".encode("latin-1"))
    corpus = ingested(root)
    assert corpus.profile["rejects"] == {"duplicate utterance": 1, "duplicate vote": 1}
    assert corpus.rejects.filter(pl.col("reason") == "duplicate utterance")["line"].to_list() == [7]
    assert corpus.utterances.frame["transcript"][0] == "Déjà vu."


def test_an_unknown_split_is_rejected_and_its_votes_too(root: Path) -> None:
    path = root / "Labels" / "labels_consensus.csv"
    path.write_text(CONSENSUS.replace("Test2", "Exam"))
    write_answers(root, "Worker", ANSWERS)
    corpus = ingested(root)
    assert corpus.profile["rejects"] == {"unreadable row": 1, "vote for an unknown utterance": 1}
    assert corpus.rejects.filter(pl.col("reason") == "unreadable row")["detail"].to_list() == [
        "Split_Set is Exam"
    ]


def test_messages(root: Path) -> None:
    with pytest.raises(UserError, match=r"neither labels_detailed\.csv nor labels_detailed\.json is here"):
        load(root)
    write_answers(root, "Rater", ANSWERS)
    with pytest.raises(
        UserError, match=r"labels_detailed\.csv: expected columns .* found \['FileName', 'Rater'"
    ):
        load(root)
    with pytest.raises(UserError, match=r"give that as --root"):
        load(root.parent)
    (root / "Labels" / "labels_consensus.csv").write_text(CONSENSUS + "a,b,c,d,e,f,g,h,i\n")
    with pytest.raises(UserError, match=r"labels_consensus\.csv:7: 9 fields, but the header has 8"):
        load(root)


@pytest.mark.parametrize("labels", ["Labels", "labels", "label", "LABELS"])
@pytest.mark.parametrize(
    "consensus", ["labels_consensus.csv", "labels_concensus.csv", "Labels_Concensus.csv"]
)
@pytest.mark.parametrize("audio", ["Audios", "Audio", "audios"])
def test_every_release_s_spelling_is_read(root: Path, labels: str, consensus: str, audio: str) -> None:
    write_answers(root, "Worker", ANSWERS)
    (root / "Labels" / "labels_consensus.csv").rename(root / "Labels" / consensus)
    (root / "Labels").rename(root / labels)
    (root / "Audios").rename(root / audio)
    (root / "Transcripts").rename(root / "transcripts")
    corpus = ingested(root)
    assert corpus.rejects.height == 0
    assert len(corpus.utterances) == 5
    assert corpus.profile["without"]["transcript"] == 1


@pytest.mark.parametrize(
    ("development", "test", "expected"),
    [
        ("Validation", "Test", 2),
        ("Development", "Test1", 2),
        ("development", "test 2", 2),
        ("Dev", "Test_3", 2),
    ],
)
def test_splits_of_older_releases(root: Path, development: str, test: str, expected: int) -> None:
    path = root / "Labels" / "labels_consensus.csv"
    text = CONSENSUS.replace("Development", development).replace("Test1", test).replace("Test2", test)
    path.write_text(text)
    write_answers(root, "Worker", ANSWERS)
    splits = ingested(root).utterances.frame["split"]
    assert splits.to_list() == ["train", "train", "development", "test", "test"]
    assert (splits == "test").sum() == expected


def test_the_missing_label_file_is_named_with_its_spellings(root: Path) -> None:
    (root / "Labels" / "labels_consensus.csv").unlink()
    with pytest.raises(
        UserError, match=r"Labels or label/labels_consensus\.csv or labels_concensus\.csv not found"
    ):
        ingested(root)
