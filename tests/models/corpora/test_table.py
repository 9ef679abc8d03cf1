"""A team's own tables: every format and every shape of votes give the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.corpora import load_corpus
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest

UTTERANCES = pl.DataFrame(
    {
        "utterance_id": ["a", "b", "c"],
        "audio": ["audio/a.wav", "./audio/b.wav", "audio/c.wav"],
        "transcript": ["Hi, there", None, "Grüß Gott"],
        "speaker": ["anna", "ben", "unknown"],
        "split": ["Training", "dev", "TEST"],
    }
)
VOTES = pl.DataFrame(
    {
        "utterance_id": ["a", "a", "b", "c", "c", "c"],
        "annotator_id": ["r1", "r2", "r1", "r1", "r2", "r3"],
        "label": ["anger", "anger", "neutral", "anger", "neutral", "neutral"],
    }
)
COUNTS = UTTERANCES.with_columns(anger=pl.Series([2, 0, 1]), neutral=pl.Series([None, 1, 2]))
LISTS = UTTERANCES.with_columns(
    label=pl.Series([["anger", "anger"], ["neutral"], ["anger", "neutral", "neutral"]])
)


def write(frame: pl.DataFrame, path: Path) -> None:
    """In the format of the suffix."""
    writers = {".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson, ".csv": frame.write_csv}
    if path.suffix == ".tsv":
        frame.write_csv(path, separator="\t")
    else:
        writers[path.suffix](path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with three recordings and no table yet."""
    root = tmp_path / "ours"
    (root / "audio").mkdir(parents=True)
    for name in "abc":
        soundfile.write(root / "audio" / f"{name}.wav", 0.1 * np.sin(np.arange(1600 + ord(name)) / 7), 16_000)
    return root


def ingested(root: Path, **options: object) -> IngestedCorpus:
    """Loaded and ingested with a cache of its own."""
    return ingest(load(root, **options), "table", cache=root.parent / "cache.sqlite")  # type: ignore[arg-type]


def check(corpus: IngestedCorpus) -> None:
    """What must come out, whatever the shape."""
    assert corpus.rejects.height == 0
    frame = corpus.utterances.frame
    assert frame.select("utterance_id", "transcript", "speaker", "split").rows() == [
        ("a", "Hi, there", "anna", "train"),
        ("b", None, "ben", "development"),
        ("c", "Grüß Gott", None, "test"),
    ]
    assert corpus.votes.labels == ("anger", "neutral")
    np.testing.assert_array_equal(corpus.votes.counts(frame["utterance_id"]), [[2, 0], [0, 1], [1, 2]])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_rows(root: Path, suffix: str) -> None:
    write(UTTERANCES, root / f"utterances.{suffix}")
    write(VOTES, root / f"votes.{suffix}")
    check(corpus := ingested(root))
    assert set(corpus.votes.frame["annotator_id"]) == {"r1", "r2", "r3"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_counts(root: Path, suffix: str) -> None:
    write(COUNTS, root / f"utterances.{suffix}")
    check(ingested(root, shape="counts", labels=("anger", "neutral")))
    check(ingested(root / f"utterances.{suffix}", shape="counts", labels=("anger", "neutral")))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_lists(root: Path, suffix: str) -> None:
    frame = LISTS.with_columns(pl.col("label").list.join("; ")) if suffix == "csv" else LISTS
    write(frame, root / f"utterances.{suffix}")
    check(ingested(root, shape="list"))


def test_columns_are_mapped_from_the_command_line(root: Path) -> None:
    names = {
        "utterance_id": "id",
        "audio": "wav file",
        "transcript": "text",
        "speaker": "who",
        "split": "set",
    }
    write(UTTERANCES.rename(names), root / "clips.csv")
    write(
        VOTES.rename({"utterance_id": "id", "annotator_id": "rater", "label": "emotion"}),
        root / "ratings.csv",
    )
    options = {
        "utterances": "clips.csv",
        "votes": "ratings.csv",
        "utterance": "id",
        "audio": "wav file",
        "transcript": "text",
        "speaker": "who",
        "split": "set",
        "annotator": "rater",
        "label": "emotion",
        "labels": "anger, neutral",
    }
    check(ingest(load_corpus("table", root, options), "table", cache=root.parent / "cache.sqlite"))


def test_weights_share_a_rater_s_one_vote(root: Path) -> None:
    write(UTTERANCES, root / "utterances.csv")
    more = pl.DataFrame({"utterance_id": "a", "annotator_id": "r1", "label": "neutral", "weight": 3.0})
    write(pl.concat([VOTES.with_columns(weight=1.0), more]), root / "votes.csv")
    votes = ingested(root).votes.frame.filter(utterance_id="a", annotator_id="r1")
    assert dict(votes.select("label", "weight").iter_rows()) == {"anger": 0.25, "neutral": 0.75}


def test_votes_of_alms_in_an_exported_table_are_not_people_s(root: Path) -> None:
    write(UTTERANCES, root / "utterances.csv")
    of_alm = pl.DataFrame(
        {"utterance_id": ["b"], "annotator_id": ["tiny"], "label": ["anger"], "annotator_kind": ["alm"]}
    )
    write(pl.concat([VOTES.with_columns(annotator_kind=pl.lit("human")), of_alm]), root / "votes.csv")
    corpus = ingested(root)
    assert corpus.profile["rejects"] == {"vote of an ALM": 1}
    np.testing.assert_array_equal(
        corpus.votes.counts(corpus.utterances.frame["utterance_id"]), [[2, 0], [0, 1], [1, 2]]
    )


def test_without_splits_they_are_drawn_and_unknown_speakers_train(root: Path) -> None:
    write(UTTERANCES.drop("split"), root / "utterances.csv")
    write(VOTES, root / "votes.csv")
    few = ingested(root)
    assert few.profile["notes"] == [
        "2 speakers are known, and no speaker may be in two splits: development, pretrain empty"
    ]
    assert set(few.utterances.frame["split"]) == {"train", "test"}
    loaded = load(root)
    corpus = ingest(loaded, "table", shares=(0, 0.5, 0, 0.5), cache=root.parent / "cache.sqlite")
    split = dict(corpus.utterances.frame.select("utterance_id", "split").iter_rows())
    assert split["c"] == "train"
    assert {split["a"], split["b"]} == {"train", "test"}


def test_every_bad_line_is_counted_with_its_place(root: Path) -> None:
    write(
        UTTERANCES.vstack(
            pl.DataFrame(
                {
                    "utterance_id": ["a", None, "d", "e"],
                    "audio": ["audio/a.wav", "audio/a.wav", "audio/none.wav", "audio/a.wav"],
                    "transcript": [None, None, None, None],
                    "speaker": ["x", "y", "z", "w"],
                    "split": ["train", "train", "train", "exam"],
                },
                schema=UTTERANCES.schema,
            )
        ),
        root / "utterances.csv",
    )
    write(
        VOTES.vstack(
            pl.DataFrame(
                {
                    "utterance_id": ["a", "zz", "a", "d", "b"],
                    "annotator_id": ["r1", "r1", "r9", "r1", None],
                    "label": ["anger", "anger", "joy", "anger", "anger"],
                }
            )
        ),
        root / "votes.csv",
    )
    corpus = ingested(root, labels=("anger", "neutral"))
    utterances, votes = str(root / "utterances.csv"), str(root / "votes.csv")
    assert set(corpus.rejects.select("file", "line", "utterance_id", "reason").rows()) == {
        (utterances, 5, "a", "duplicate utterance"),
        (utterances, 6, None, "utterance without a name or audio"),
        (str(root / "audio/none.wav"), None, "d", "audio is missing"),
        (utterances, 8, "e", "unknown split"),
        (votes, 8, "a", "duplicate vote"),
        (votes, 9, "zz", "vote for an unknown utterance"),
        (votes, 10, "a", "unknown label"),
        (votes, None, "d", "votes for an utterance without audio"),
        (votes, 12, "b", "incomplete vote"),
    }
    np.testing.assert_array_equal(
        corpus.votes.counts(corpus.utterances.frame["utterance_id"]), [[2, 0], [0, 1], [1, 2]]
    )


def test_a_recording_on_both_sides_is_noted(root: Path) -> None:
    (root / "audio" / "c.wav").write_bytes((root / "audio" / "a.wav").read_bytes())
    write(UTTERANCES, root / "utterances.csv")
    write(VOTES, root / "votes.csv")
    assert ingested(root).profile["notes"] == [
        "1 recording is in more than one split, byte for byte, under different names"
    ]


def test_latin_1_and_windows_line_ends(root: Path) -> None:
    write(UTTERANCES, root / "utterances.csv")
    content = (root / "utterances.csv").read_text().replace("\n", "\r\n").encode("latin-1")
    (root / "utterances.csv").write_bytes(content)
    write(VOTES, root / "votes.csv")
    check(ingested(root))


def test_messages_name_file_and_line(root: Path) -> None:
    with pytest.raises(UserError, match=r"no table .CSV"):
        load(root)
    write(UTTERANCES, root / "utterances.csv")
    with pytest.raises(UserError, match=r"utterances\.csv: columns \['label'\] are missing"):
        load(root)
    with pytest.raises(UserError, match="need the names of their columns"):
        load(root, shape="counts")
    write(COUNTS.with_columns(anger=pl.Series(["1", "two", "3"])), root / "utterances.csv")
    with pytest.raises(UserError, match=r"utterances\.csv:3: anger is 'two'"):
        load(root, shape="counts", labels=("anger", "neutral"))
    (root / "votes.jsonl").write_text('{"utterance_id": "a", "label": "anger"}\n{"utterance_id": "b", "lab')
    with pytest.raises(UserError, match=r"votes\.jsonl:2: not readable as JSON, perhaps cut short"):
        load(root)
    (root / "votes.csv").write_text('utterance_id,annotator_id,label\na,r1,"anger\n')
    with pytest.raises(UserError, match=r"votes\.csv:\d: "):
        load(root)
    (root / "votes.docx").write_text("")
    with pytest.raises(UserError, match="unknown kind of table"):
        load(root, votes="votes.docx")


def test_options_are_checked_by_name_and_kind(root: Path) -> None:
    write(UTTERANCES, root / "utterances.csv")
    with pytest.raises(UserError, match="unknown option of corpus table 'speakr'; known: age, annotator"):
        load_corpus("table", root, {"speakr": "x"})
    with pytest.raises(
        UserError,
        match="unknown option shape of corpus table 'row'; known: clips, counts, list, raters, rows",
    ):
        load_corpus("table", root, {"shape": "row"})
    with pytest.raises(
        UserError, match=r"option self_reports of corpus iemocap: expected true or false, found 'ja'"
    ):
        load_corpus("iemocap", root, {"self_reports": "ja"})
    with pytest.raises(
        UserError, match=r"option test_session of corpus iemocap: expected an integer, found 'last'"
    ):
        load_corpus("iemocap", root, {"test_session": "last"})
    with pytest.raises(UserError, match="unknown corpus 'ravdess'; known: "):
        load_corpus("ravdess", root)


def test_stop_raises_about_the_first_row_that_cannot_be_used(root: Path) -> None:
    write(UTTERANCES, root / "utterances.csv")
    write(VOTES, root / "votes.csv")
    cache = root.parent / "cache.sqlite"
    complete = ingest(load(root), "table", cache=cache, on_error="stop")
    check(complete)
    more = pl.DataFrame(
        {"utterance_id": ["a", "zz"], "annotator_id": ["r9", "r1"], "label": ["joy", "anger"]}
    )
    write(VOTES.vstack(more), root / "votes.csv")
    data = load(root, labels=("anger", "neutral"))
    assert ingest(data, "table", cache=cache).rejects.height == 2
    with pytest.raises(
        UserError, match=r"votes\.csv:8: unknown label \(a, joy by r9\); the first of 2"
    ) as caught:
        ingest(data, "table", cache=cache, on_error="stop")
    assert "\n" not in str(caught.value)
    (root / "audio" / "b.wav").unlink()
    write(VOTES, root / "votes.csv")
    with pytest.raises(UserError, match=r"b\.wav: audio is missing \(b, .*b\.wav"):
        ingest(load(root), "table", cache=cache, on_error="stop")
