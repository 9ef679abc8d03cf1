"""What is written is read back exactly, in every format, for whatever text and numbers there are."""

from __future__ import annotations

import importlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ambivox.models.exchange
from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.registry import find, keys
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes

EARLIER_NAME = "effective_synthetic_votes"
FORMATS = [
    key
    for key in keys(ambivox.models.exchange)
    if not ambivox.models.exchange.is_labelling_tool(find(ambivox.models.exchange, key, "format"))
]
WRITTEN_BEFORE = ("audformat", "csv", "huggingface", "parquet")
text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@st.composite
def linked_tables(draw: st.DrawFn) -> LinkedTables:
    """A few utterances with any text, shared votes, and distributions for some."""
    labels = tuple(
        draw(
            st.lists(
                st.sampled_from(["anger", "neutral", "a,b", 'q"x', "c\nd", "Ü"]),
                min_size=1,
                max_size=4,
                unique=True,
            )
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.integers(1, 6))
    ids = [f"u{index}" for index in range(number)]
    texts = [draw(st.lists(st.none() | text, min_size=number, max_size=number)) for _ in range(3)]
    utterances = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "test",
            "audio": [f"audio/{draw(text).replace('/', '')}{name}.wav" for name in ids],
            "audio_sha256": [f"{index:064x}" for index in range(number)],
            "duration_seconds": rng.random(number) * 10,
            "sample_rate_hz": rng.integers(8000, 48000, number),
            "split": rng.choice(["train", "test"], number),
            "transcript": texts[0],
            "speaker": texts[1],
            "sex": texts[2],
            "age": [None if age < 0.3 else age * 100 for age in rng.random(number)],
        },
        schema_overrides={"transcript": pl.String, "speaker": pl.String, "sex": pl.String, "age": pl.Float64},
    )
    rows = [
        (name, f"rater {rater}", "human" if rater else "alm", labels[code], 1 / len(codes))
        for name in ids
        for rater in range(rng.integers(0, 4))
        for codes in [rng.choice(len(labels), rng.integers(1, len(labels) + 1), replace=False)]
        for code in codes
    ]
    votes = pl.DataFrame(rows, list(Votes.required), orient="row", schema_overrides=Votes.required)
    distributions = None
    if draw(st.booleans()):
        p_NK = rng.dirichlet(np.ones(len(labels)), number)
        known = ids[: draw(st.integers(1, number))]
        distributions = Distributions.of(
            pl.Series(known), "pooled", p_NK[: len(known)], labels, rng.random(len(known))
        )
    ratings = None
    if draw(st.booleans()):
        rated = [
            (
                name,
                rater,
                1.0,
                7.0,
                *(None if value < 2 else value for value in rng.uniform(1, 7, 2)),
                1 / 3 + 1,
            )
            for name in ids[: draw(st.integers(1, number))]
            for rater in (None, "r, 1", 'r"2')[rng.integers(0, 3) :]
        ]
        columns = {
            "utterance_id": pl.String,
            "annotator_id": pl.String,
            "lowest": pl.Float64,
            "highest": pl.Float64,
        }
        columns |= {"arousal": pl.Float64, "valence": pl.Float64, "dominance": pl.Float64}
        ratings = Ratings.check(pl.DataFrame(rated, columns, orient="row"), labels)
    return LinkedTables.of(
        Utterances.check(utterances, labels), Votes.check(votes, labels), distributions, ratings
    )


@pytest.mark.parametrize("key", FORMATS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(tables=linked_tables())
def test_round_trip(key: str, tables: LinkedTables) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    with TemporaryDirectory() as folder:
        module.write(tables, Path(folder))
        back = module.read(Path(folder))
    assert back.labels == tables.labels
    assert back.utterances.frame.equals(tables.utterances.frame)
    assert back.votes.frame.equals(tables.votes.frame)
    assert (back.distributions is None) == (tables.distributions is None)
    if tables.distributions is not None:
        assert back.distributions.frame.equals(tables.distributions.frame)
    assert (back.ratings is None) == (tables.ratings is None)
    if tables.ratings is not None:
        assert back.ratings.frame.equals(tables.ratings.frame)


@pytest.fixture
def small() -> LinkedTables:
    """Three utterances, one without votes and one without a distribution."""
    labels = ("anger", "neutral")
    utterances = pl.DataFrame(
        {
            "utterance_id": ["a", "b", "c"],
            "corpus": "test",
            "audio": ["a.wav", "b.wav", "s3://x/c.wav"],
            "audio_sha256": "0" * 64,
            "duration_seconds": [1.0, 2.0, 3.0],
            "sample_rate_hz": 16_000,
            "split": ["train", "train", "test"],
            "transcript": ["Hi", None, "<b>&"],
            "language": ["en", "deu", "x-home"],
        }
    )
    votes = pl.DataFrame(
        [
            ("a", "r1", "human", "anger", 1.0),
            ("a", "r2", "human", "anger", 0.5),
            ("a", "r2", "human", "neutral", 0.5),
            ("c", "r1", "human", "neutral", 1.0),
        ],
        list(Votes.required),
        orient="row",
    )
    p_NK = np.array([[0.75, 0.25], [1 / 3, 2 / 3]])
    distributions = Distributions.of(pl.Series(["a", "b"]), "synthetic", p_NK, labels)
    return LinkedTables.of(Utterances.check(utterances, labels), Votes.check(votes, labels), distributions)


@pytest.mark.parametrize("key", FORMATS)
def test_same_bytes_twice_and_a_message_where_there_is_nothing(
    key: str, small: LinkedTables, tmp_path: Path
) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        module.write(small, tmp_path / name)
        contents.append(
            {
                str(path.relative_to(tmp_path / name)): path.read_bytes()
                for path in (tmp_path / name).rglob("*.*")
            }
        )
    assert contents[0] == contents[1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        module.read(tmp_path / "empty")


def test_hugging_face_reads_it(small: LinkedTables, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    importlib.import_module("ambivox.models.exchange.huggingface").write(small, tmp_path / "data set")
    loaded = datasets.load_dataset(str(tmp_path / "data set"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2, "test": 1}
    first = loaded["train"][0]
    assert (first["transcript"], first["distribution"], first["source"]) == ("Hi", [0.75, 0.25], "synthetic")
    assert [vote["annotator_id"] for vote in first["votes"]] == ["r1", "r2", "r2"]
    label = loaded["train"].features["votes"].feature["label"]
    assert [label.int2str(vote["label"]) for vote in first["votes"]] == ["anger", "anger", "neutral"]
    assert loaded["test"][0]["distribution"] is None
    assert loaded["train"][1]["votes"] == []


def test_audformat_s_own_reading(small: LinkedTables, tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    importlib.import_module("ambivox.models.exchange.audformat").write(small, tmp_path)
    db = audformat.Database.load(str(tmp_path), load_data=True)
    assert db.name == "test"
    assert db.languages == ["deu", "eng"]
    assert {name: rater.type for name, rater in db.raters.items()} == {"r1": "human", "r2": "human"}
    assert list(db.schemes["emotion"].labels) == ["anger", "neutral"]
    assert db["distribution"].df.loc["a.wav", "anger"] == 0.75
    assert db["votes"].df["emotion"].value_counts().to_dict() == {"anger": 2, "neutral": 2}
    duplicated = small.utterances.frame.with_columns(audio=pl.lit("same.wav"))
    with pytest.raises(UserError, match=r"same\.wav belongs to several utterances"):
        importlib.import_module("ambivox.models.exchange.audformat").write(
            LinkedTables.of(Utterances.check(duplicated, small.labels), small.votes), tmp_path / "x"
        )


def rename_equivalent_votes(folder: Path) -> None:
    """Give the column its earlier name in every file."""
    for path in folder.rglob("*.*"):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            names = [name.replace("equivalent_votes", EARLIER_NAME) for name in table.column_names]
            metadata = {
                key: value for key, value in pq.read_metadata(path).metadata.items() if key != b"ARROW:schema"
            }
            pq.write_table(table.rename_columns(names).replace_schema_metadata(metadata), path)
        else:
            path.write_text(path.read_text().replace("equivalent_votes", EARLIER_NAME))


@pytest.mark.parametrize("key", WRITTEN_BEFORE)
def test_exports_with_the_column_s_earlier_name_are_read(
    key: str, small: LinkedTables, tmp_path: Path
) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    module.write(small, tmp_path)
    rename_equivalent_votes(tmp_path)
    assert any(EARLIER_NAME.encode() in path.read_bytes() for path in tmp_path.rglob("*.*"))
    back = module.read(tmp_path).distributions
    assert back.frame.equals(small.distributions.frame)


def test_tables_that_do_not_belong_together(small: LinkedTables) -> None:
    other = Votes.check(small.votes.frame, ("anger", "neutral", "fear"))
    with pytest.raises(UserError, match="the votes have the labels"):
        LinkedTables.of(small.utterances, other)
    strange = Votes.check(small.votes.frame.with_columns(utterance_id=pl.lit("z")), small.labels)
    with pytest.raises(UserError, match="4 votes are for unknown utterances, the first is 'z'"):
        LinkedTables.of(small.utterances, strange)
