"""Answers of ALMs from elsewhere: labels, probabilities, counts and texts become annotations that pool uses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Distributions
from tests.support.steps import import_annotations, pool
from tests.support.tone_corpus import LABELS, Corpus, tone_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("tones"), per_split=(12, 3, 6))


def written(tmp_path: Path, name: str, rows: list[dict[str, object]]) -> Path:
    path = tmp_path / name
    frame = pl.DataFrame(rows)
    {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[path.suffix](
        path
    )
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_many_labels_of_an_utterance_are_counted_as_votes(tmp_path, corpus, name):
    answers = ["anger", "Anger ", "anger", "sadness"]
    rows: list[dict[str, object]] = [
        {"utterance_id": "train-000", "model": "gpt-audio", "label": label} for label in answers
    ]
    rows += [
        {"utterance_id": "train-001", "model": "other", "label": "neutral"},
        {"utterance_id": "train-001", "model": "other", "label": "joy"},
        {"utterance_id": "nonesuch", "model": "other", "label": "anger"},
        {"utterance_id": "train-002", "model": None, "label": "anger"},
        {"utterance_id": "train-002", "model": "other", "label": None},
    ]
    out = import_annotations(
        source=written(tmp_path, name, rows), utterances=corpus.utterances, out=tmp_path / "out"
    )
    frame = Annotations.read(out / "annotations.parquet").frame
    assert frame.select("utterance_id", "alm", "label").rows() == [
        ("train-000", "gpt-audio", "anger"),
        ("train-000", "gpt-audio", "anger"),
        ("train-000", "gpt-audio", "anger"),
        ("train-000", "gpt-audio", "sadness"),
        ("train-001", "other", "neutral"),
    ]
    assert set(frame["elicitation"]) == {"imported"} and set(frame["revision"]) == {"unknown"}
    assert frame["engine"][0].startswith(f"imported from {name}")
    rejects = pl.read_parquet(out / "rejects.parquet").sort("line")
    first = 7 if name == "a.csv" else 6  # a CSV has a header
    assert rejects.select("line", "reason", "detail").rows() == [
        (first, "unknown label", "joy"),
        (first + 1, "answer about an unknown utterance", "anger"),
        (first + 2, "answer of a model without a name", "anger"),
        (first + 3, "unknown label", ""),
    ]
    assert json.loads((out / "checks.json").read_text())["rejected"] == 4


@pytest.mark.parametrize("scale", [1, 100, 40])
def test_probabilities_percentages_and_counts_are_distributions(tmp_path, corpus, scale):
    p = np.array([0.5, 0.25, 0.25])
    rows = [{"utterance_id": "train-000", **dict(zip(LABELS, (scale * p).tolist(), strict=True))}]
    rows += [
        {"utterance_id": "train-001", **dict(zip(LABELS, values, strict=True))}
        for values in ((0.0, 0.0, 0.0), (-1.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (float("inf"), 1.0, 1.0))
    ]
    source = written(tmp_path, "a.csv", rows)
    out = import_annotations(
        source=source, utterances=corpus.utterances, out=tmp_path / "out", alm="m", revision="2026-05"
    )
    frame = Annotations.read(out / "annotations.parquet").frame
    np.testing.assert_allclose(np.exp(frame["logprobs"].to_list()), [p], atol=1e-5)
    assert frame["revision"].to_list() == ["2026-05"]
    assert (
        pl.read_parquet(out / "rejects.parquet")["reason"].to_list()
        == ["no distribution over the labels"] * 4
    )


def test_texts_name_a_label_or_are_refusals(tmp_path, corpus):
    texts = ["Anger", "The speaker sounds sad, so: sadness.", "A", "anger or neutral", "I cannot tell.", ""]
    rows = [{"clip": "test-000", "answer": text} for text in texts]
    out = import_annotations(
        source=written(tmp_path, "a.jsonl", rows),
        utterances=corpus.utterances,
        out=tmp_path / "out",
        alm="m",
        utterance="clip",
        response="answer",
    )
    frame = Annotations.read(out / "annotations.parquet").frame
    assert frame["label"].to_list() == ["anger", "sadness", None, None, None, None]
    assert frame["refused"].to_list() == [False, False, True, True, True, True]
    assert frame["response"].to_list() == texts


def test_imported_answers_are_pooled_with_the_votes(tmp_path, corpus):
    ids = pl.read_parquet(corpus.utterances)["utterance_id"]
    human = Distributions.read(corpus.human)
    rows = [
        {"utterance_id": name, "model": "good", **dict(zip(LABELS, p, strict=True))}
        for name, p in zip(ids, (0.9 * human.frame.select(LABELS).to_numpy() + 0.1 / 3).tolist(), strict=True)
    ]
    out = import_annotations(
        source=written(tmp_path, "a.csv", rows), utterances=corpus.utterances, out=tmp_path / "imported"
    )
    pooled = pool(
        utterances=corpus.utterances,
        votes=corpus.votes,
        annotations=out / "annotations.parquet",
        out=tmp_path / "pooled",
    )
    frame = Distributions.read(pooled / "synthetic.parquet").frame
    assert frame.height == len(ids)
    assert Distributions.read(pooled / "pooled.parquet").frame["equivalent_votes"].sum() > 0


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"utterance_id": "train-000", "label": "anger"}], {}, "--alm NAME"),
        (
            [{"utterance_id": "train-000", "text": "anger"}],
            {"alm": "m"},
            "no answers; expected a column 'label'",
        ),
        ([{"utterance_id": "train-000", "anger": 1.0, "neutral": 0.0}], {"alm": "m"}, "missing: sadness"),
        ([{"id": "train-000", "label": "anger"}], {"alm": "m"}, "utterance_id"),
        (
            [{"utterance_id": "x", "label": "anger"}],
            {"alm": "m"},
            "no answer can be used .answer about an unknown utterance: 1",
        ),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, corpus, rows, options, message):
    with pytest.raises(UserError, match=message):
        import_annotations(
            source=written(tmp_path, "a.csv", rows),
            utterances=corpus.utterances,
            out=tmp_path / "out",
            **options,
        )
    assert not (tmp_path / "out").exists()


def imported(
    tmp_path: Path, corpus: Corpus, rows: list[dict[str, object]], name: str = "a.csv", **options: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Annotations and rejects of a table."""
    out = import_annotations(
        source=written(tmp_path, name, rows),
        utterances=corpus.utterances,
        out=tmp_path / "out",
        **{"alm": "m"} | options,
    )
    return Annotations.read(out / "annotations.parquet").frame, pl.read_parquet(out / "rejects.parquet")


def numbers(name: str, values: tuple[object, ...], form: str = "{}") -> dict[str, object]:
    columns = [form.format(label) for label in LABELS]
    return {"utterance_id": name, **dict(zip(columns, values, strict=True))}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.1, 0.05, 0.05), "0.1, 0.05, 0.05 sum to 0.2, not to 1 or 100; a label may be missing"),
        ((3.2, 5.1, 0.2), "sum to 8.5, not to 1 or 100; scores must be made probabilities"),
        ((-1.2, -0.5, -3.0), "log-probabilities must be exponentiated"),
        (("10%", "20%", "70%"), "remove the sign %"),
        (("0.5", "", "0.5"), "every label needs a number"),
    ],
)
def test_what_is_no_distribution_is_rejected_with_its_sum(tmp_path, corpus, values, words):
    rows = [numbers("train-000", values), numbers("train-001", ("0.5", "0.25", "0.25"))]
    texts = [{name: str(value) for name, value in row.items()} for row in rows]
    frame, rejects = imported(tmp_path, corpus, texts)
    assert frame["utterance_id"].to_list() == ["train-001"]
    assert words in rejects["detail"][0]
    with pytest.raises(
        UserError, match=r"no answer can be used .no distribution over the labels: 1, such as"
    ):
        imported(tmp_path, corpus, texts[:1])


@pytest.mark.parametrize("values", [(0.5, 0.25, 0.26), (50.0, 24.9, 24.9), (3, 1, 0)])
def test_rounded_sums_and_counts_are_distributions(tmp_path, corpus, values):
    frame, _ = imported(tmp_path, corpus, [numbers("train-000", values)])
    np.testing.assert_allclose(
        np.exp(frame["logprobs"].to_list()), [np.array(values) / sum(values)], atol=1e-5
    )


@pytest.mark.parametrize("form", ["{}", "prob_{}", "p({})", "{}_score", "{}_prob"])
def test_columns_of_probabilities_have_several_names(tmp_path, corpus, capsys, form):
    row = numbers("train-000", (0.5, 0.25, 0.25), form)
    row = {name.title() if name != "utterance_id" else name: value for name, value in row.items()}
    frame, _ = imported(tmp_path, corpus, [row | {"label": LABELS[2], "confidence": 0.3}])
    assert frame["label"].to_list() == [None] and frame["logprobs"].count() == 1
    shown = capsys.readouterr().out
    assert "read as probabilities or counts: " in shown
    assert "columns of numbers that were not read: confidence" in shown
    frame, _ = imported(tmp_path, corpus, [row | {"emo": LABELS[2]}], label="emo")
    assert frame["label"].to_list() == [LABELS[2]]
    assert "read as labels: emo" in capsys.readouterr().out


def test_decimal_commas_in_columns_of_other_names(tmp_path, corpus):
    path = tmp_path / "a.csv"
    names = ";".join(f"prob_{label}" for label in LABELS)
    path.write_text(f"utterance_id;{names}\ntrain-000;0,5;0,25;0,25\n")
    out = import_annotations(source=path, utterances=corpus.utterances, out=tmp_path / "out", alm="m")
    frame = Annotations.read(out / "annotations.parquet").frame
    np.testing.assert_allclose(np.exp(frame["logprobs"].to_list()), [[0.5, 0.25, 0.25]], atol=1e-5)


def test_a_response_may_be_a_distribution(tmp_path, corpus):
    texts = [
        json.dumps(dict(zip(LABELS, (0.5, 0.25, 0.25), strict=True))),
        'Sure: {"ANGER": 100}',
        '{"emotion": "anger"}',
        '{"anger": 0.0, "bored": 1.0}',
        '{"anger": 0.2}',
    ]
    rows: list[dict[str, object]] = [{"utterance_id": "test-000", "response": text} for text in texts]
    frame, rejects = imported(tmp_path, corpus, rows)
    assert frame["label"].to_list() == [None, None, "anger"]
    assert frame["logprobs"].is_null().to_list() == [False, False, True]
    assert not frame["refused"].any()
    assert rejects["reason"].to_list() == ["no distribution over the labels"] * 2


def test_the_column_names_the_model_and_alm_fills_its_empty_cells(tmp_path, corpus):
    rows: list[dict[str, object]] = [
        {"utterance_id": "train-000", "Model": model, "label": "anger"} for model in ("a", "b ", "", None)
    ]
    frame, _ = imported(tmp_path, corpus, rows, "a.jsonl")
    assert frame["alm"].to_list() == ["a", "b", "m", "m"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"utterance_id": "train-000", "label": ["anger"]}, "label"),
        ({"utterance_id": ["train-000"], "label": "anger"}, "utterance_id"),
        ({"utterance_id": "train-000", **{label: [0.5] for label in LABELS}}, LABELS[0]),
        ({"utterance_id": "train-000", "response": {"emotion": "joy"}}, "response"),
        ({"utterance_id": "train-000", "label": "anger", "model": ["m"]}, "model"),
    ],
)
def test_cells_that_hold_lists_are_one_line(tmp_path, corpus, name, row, column):
    with pytest.raises(UserError, match=f"the column '{column}' holds lists, objects or bytes") as caught:
        imported(tmp_path, corpus, [row], name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "others"),
    [
        ("utterance_id", {"label": "joy"}),
        ("label", {}),
        ("response", {}),
        (LABELS[0], dict.fromkeys(LABELS[1:], 0.5)),
    ],
)
def test_columns_of_bytes_are_one_line(tmp_path, corpus, column, others):
    row = {"utterance_id": "train-000"} | others | {column: b"\xff"}
    with pytest.raises(UserError, match=f"the column '{column}' holds lists, objects or bytes"):
        imported(tmp_path, corpus, [row], "a.parquet")


def test_a_column_that_the_user_named_must_be_there(tmp_path, corpus):
    with pytest.raises(UserError, match=r"no column 'emotion' .--label.; found utterance_id, label"):
        imported(tmp_path, corpus, [{"utterance_id": "train-000", "label": "anger"}], label="emotion")


def test_a_label_that_the_corpus_lacks_is_named_where_no_row_is_a_distribution(tmp_path, corpus):
    row = numbers("train-000", (0.1, 0.05, 0.05)) | {"surprise": 0.8}
    with pytest.raises(
        UserError, match="a label may be missing'; columns of numbers that were not read: surprise"
    ):
        imported(tmp_path, corpus, [row])
