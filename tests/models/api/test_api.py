"""The Python API: the same figures for every kind of frame, and those of the core."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import ambivox
from ambivox.models.errors import UserError
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import pool as pool_arrays

LABELS = ("anger", "joy", "sadness")


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Counts of four votes, and an informative ALM, for 120 utterances of 12 speakers."""
    rng = np.random.default_rng(3)
    p_NK = rng.dirichlet((0.8, 0.5, 0.4), 120)
    n_NK = np.stack([rng.multinomial(4, p_K) for p_K in p_NK]).astype(float)
    noisy_NK = p_NK * rng.uniform(0.5, 2, p_NK.shape)
    return n_NK, noisy_NK / noisy_NK.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def votes(arrays: tuple[np.ndarray, np.ndarray]) -> pl.DataFrame:
    """A row per vote."""
    rows = [
        (f"u{i}", f"r{i}-{k}-{j}", LABELS[k])
        for i, n_K in enumerate(arrays[0])
        for k in range(3)
        for j in range(int(n_K[k]))
    ]
    return pl.DataFrame(rows, schema=["utterance_id", "annotator_id", "label"], orient="row")


@pytest.fixture(scope="module")
def probabilities(arrays: tuple[np.ndarray, np.ndarray]) -> pl.DataFrame:
    """The ALM's distributions."""
    ids = {"utterance_id": [f"u{i}" for i in range(120)]}
    return pl.DataFrame(ids | {label: arrays[1][:, k] for k, label in enumerate(LABELS)})


@pytest.fixture(scope="module")
def speakers() -> dict[str, str]:
    return {f"u{i}": f"s{i % 12}" for i in range(120)}


def test_pool_is_the_core(
    arrays: tuple[np.ndarray, np.ndarray],
    votes: pl.DataFrame,
    probabilities: pl.DataFrame,
    speakers: dict[str, str],
) -> None:
    pooled = ambivox.pool(votes, probabilities, speakers=speakers)
    n_NK, q_NK = arrays
    speaker_N = np.unique([speakers[f"u{i}"] for i in range(120)], return_inverse=True)[1]
    inputs = PoolingInputs(n_NK, q_NK[:, None], np.full((120, 1), np.nan), speaker_N)
    by_name = np.argsort([f"u{i}" for i in range(120)])
    model = fit_pooling(LABELS, ["alm"], inputs.rows(by_name), n_NK.sum(1), seed=0)
    expected = pool_arrays(model, n_NK, q_NK[:, None])
    assert pooled["utterance_id"].to_list() == [f"u{i}" for i in range(120)]
    assert np.allclose(pooled.select(LABELS).to_numpy(), expected.p_NK)
    assert np.allclose(pooled["equivalent_votes"], expected.kappa_NA[:, 0])
    assert (pooled["equivalent_votes"] > 0.2).all()
    in_pandas = ambivox.pool(votes, probabilities, speakers=pl.DataFrame(
        {"utterance_id": list(speakers), "speaker": list(speakers.values())}
    ).to_pandas().set_index("utterance_id")["speaker"])  # fmt: skip
    assert pooled.equals(in_pandas)
    for label in LABELS:
        assert (pooled[f"{label}_low"] <= pooled[label]).all()
        assert (pooled[label] <= pooled[f"{label}_high"]).all()


def test_intervals_cover_the_truth() -> None:
    """Simulated: 90 % intervals of the Dirichlet posterior hold about 90 % of the true probabilities."""
    rng = np.random.default_rng(0)
    p_NK = rng.dirichlet((2.0, 1.0, 0.5), 1500)
    counts = np.stack([rng.multinomial(3, p_K) for p_K in p_NK])
    frame = pl.DataFrame(
        {"utterance_id": range(1500)} | {label: counts[:, k] for k, label in enumerate(LABELS)}
    )
    pooled = ambivox.pool(frame)
    inside = [
        (
            (pooled[f"{label}_low"].to_numpy() <= p_NK[:, k])
            & (p_NK[:, k] <= pooled[f"{label}_high"].to_numpy())
        ).mean()
        for k, label in enumerate(LABELS)
    ]
    assert 0.87 < np.mean(inside) < 0.93


@pytest.mark.parametrize("kind", ["pandas", "arrow", "lazy", "dictionaries", "columns", "tuples", "counts"])
def test_every_kind_of_frame_gives_the_same(
    kind: str,
    arrays: tuple[np.ndarray, np.ndarray],
    votes: pl.DataFrame,
    probabilities: pl.DataFrame,
) -> None:
    counts = pl.DataFrame(
        {"utterance_id": probabilities["utterance_id"]}
        | {label: arrays[0][:, k] for k, label in enumerate(LABELS)}
    )
    given: dict[str, Any] = {
        "pandas": votes.to_pandas(),
        "arrow": votes.to_arrow(),
        "lazy": votes.lazy(),
        "dictionaries": votes.to_dicts(),
        "columns": votes.to_dict(as_series=False),
        "tuples": votes.rows(),
        "counts": counts,
    }
    result = ambivox.pool(given[kind], probabilities.to_pandas() if kind == "pandas" else probabilities)
    assert isinstance(result, pd.DataFrame) == (kind == "pandas")
    if kind == "arrow":
        result = pl.from_arrow(result)
    order = pl.DataFrame(result).sort("utterance_id")
    expected = ambivox.pool(votes, probabilities).sort("utterance_id")
    assert np.allclose(order.select(LABELS).to_numpy(), expected.select(LABELS).to_numpy())


def test_a_pandas_index_that_names_utterances_is_a_column(
    votes: pl.DataFrame, probabilities: pl.DataFrame
) -> None:
    indexed = probabilities.to_pandas().set_index("utterance_id")
    result = ambivox.pool(votes.to_pandas(), indexed)
    assert len(result) == 120


def test_utterances_without_votes_or_answers_have_a_distribution(
    votes: pl.DataFrame, probabilities: pl.DataFrame
) -> None:
    some = votes.filter(pl.col("utterance_id") != "u7")
    pooled = ambivox.pool(some, probabilities.filter(pl.col("utterance_id") != "u3"))
    rows = {row["utterance_id"]: row for row in pooled.to_dicts()}
    assert rows["u7"]["human_votes"] == 0 and rows["u7"]["equivalent_votes"] > 0
    assert rows["u3"]["human_votes"] == 4 and rows["u3"]["equivalent_votes"] == 0
    assert np.allclose(pooled.select(LABELS).sum_horizontal(), 1)


def test_two_alms_have_their_own_worth(
    votes: pl.DataFrame, probabilities: pl.DataFrame, speakers: dict[str, str]
) -> None:
    rng = np.random.default_rng(5)
    noise = rng.dirichlet((1, 1, 1), 120)
    useless = probabilities.with_columns(*(pl.Series(label, noise[:, k]) for k, label in enumerate(LABELS)))
    worth = ambivox.equivalent_votes(votes, {"good": probabilities, "useless": useless}, speakers=speakers)
    by_alm = {row["alm"]: row for row in worth.filter(pl.col("score") == "nll").to_dicts()}
    assert by_alm["good"]["equivalent_votes"] > 0.5 > by_alm["useless"]["equivalent_votes"]
    assert by_alm["good"]["low"] <= by_alm["good"]["equivalent_votes"] <= by_alm["good"]["high"]


def test_validate_scores_sources_side_by_side(votes: pl.DataFrame, probabilities: pl.DataFrame) -> None:
    uniform = probabilities.with_columns(*(pl.lit(1 / 3).alias(label) for label in LABELS))
    scores = ambivox.validate(votes, {"alm": probabilities, "uniform": uniform})
    nll = dict(scores.select("source", "nll").iter_rows())
    assert nll["alm"] < nll["uniform"] == pytest.approx(np.log(3))


def test_plan_labels_spends_the_budget(votes: pl.DataFrame, probabilities: pl.DataFrame) -> None:
    plan = ambivox.plan_labels(votes, probabilities, budget=40)
    assert plan["votes"].sum() == 40
    assert plan["expected_fall"].is_sorted(descending=True)


def test_dime_aug_fills_rare_classes(probabilities: pl.DataFrame) -> None:
    rng = np.random.default_rng(2)
    features = probabilities.select("utterance_id").with_columns(
        *(pl.Series(f"f{j}", rng.normal(size=120)) for j in range(4))
    )
    samples = ambivox.dime_aug(probabilities, features, ratio=0.9)
    assert samples.height and set(samples["fills"].unique()) <= set(LABELS)
    assert np.allclose(samples.select(LABELS).sum_horizontal(), 1)
    parents = dict(zip(probabilities["utterance_id"], probabilities.select(LABELS).to_numpy(), strict=True))
    first = samples.row(0, named=True)
    mixed = parents[first["first"]] + first["weight"] * (parents[first["second"]] - parents[first["first"]])
    assert np.allclose([first[label] for label in LABELS], mixed / mixed.sum())


def test_annotate_gives_what_pool_takes(make_utterances: Any, fresh_engine: None) -> None:
    from ambivox.models.tables import Utterances

    table = Utterances.read(make_utterances(5)).frame
    audio = dict(table.select("utterance_id", "audio").iter_rows())
    answers = ambivox.annotate(audio, LABELS, "qwen2_audio", engine="fake")
    assert answers["utterance_id"].to_list() == list(audio)
    assert np.allclose(answers.select(LABELS).sum_horizontal(), 1)
    first = next(iter(audio))
    assert ambivox.pool([(first, "r1", "joy")], answers).height == 5


def test_a_hosted_alm_needs_consent_a_limit_of_cost_and_a_place_for_paid_answers(
    make_utterances: Any, fresh_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambivox.models.tables import Utterances
    from tests.support.hosted_server import PERSONALITIES, HostedServer

    server = HostedServer(PERSONALITIES["gemini"])
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    audio = Utterances.read(make_utterances(3)).frame["audio"].to_list()
    store = tmp_path / "store"

    def ask(**settings: Any) -> pl.DataFrame:
        return ambivox.annotate(audio, LABELS, "gemini_2_5_flash", server=server.url, orders=1, **settings)

    for given, words in (
        ({"store": store, "max_cost": 1.0}, "allow"),
        ({"store": store, "allow_hosted": True}, "for about 0.00 USD.*max_cost="),
        ({"max_cost": 1.0, "allow_hosted": True}, "store="),
        ({"store": store, "max_cost": 1e-6, "allow_hosted": True}, "nothing was sent"),
    ):
        with pytest.raises(UserError, match=words):
            ask(**given)
    assert not server.bodies
    answers = ask(store=store, max_cost=1.0, allow_hosted=True)
    assert np.allclose(answers.select(LABELS).sum_horizontal(), 1)
    assert (store / "hosted.sqlite").is_file()
    server.close()


def test_distributions_of_a_run_are_loaded(tmp_path: Path) -> None:
    from ambivox.models.tables import Distributions

    table = Distributions.of(
        pl.Series(["a", "b"]), "pooled", np.array([[0.25, 0.75], [1.0, 0.0]]), ("x", "y"), 3.0
    )
    (tmp_path / "mine" / "distributions").mkdir(parents=True)
    table.write(tmp_path / "mine" / "distributions" / "pooled.parquet")
    for path in (tmp_path / "mine", tmp_path / "mine" / "distributions"):
        assert ambivox.load_distributions(path)["x"].to_list() == [0.25, 1.0]
    with pytest.raises(UserError, match="found no table of human distributions"):
        ambivox.load_distributions(tmp_path / "mine", "human")
    with pytest.raises(UserError, match="in no git repository"):
        ambivox.load_distributions(tmp_path / "mine", revision="v1")


MISTAKES: list[tuple[str, Any, Any, str]] = [
    ("no id", pl.DataFrame({"clip": ["a"], "label": ["joy"]}), None, "found no column 'utterance_id' among 'clip'"),
    ("a list of frames", [("a", "r", "joy")], [pl.DataFrame({"utterance_id": ["a"], "joy": [1.0]})], "found a list of tables, expected one, or a mapping"),
    ("a column", pl.DataFrame({"label": ["joy"]}).to_pandas()["label"], None, "expected a table of pandas"),
    ("no frame", 7, None, "expected a table of pandas, polars or Arrow"),
    ("null id", pl.DataFrame({"utterance_id": ["a", None], "label": ["joy", "joy"]}), None, "1 row has no"),
    ("other label", [("a", "r", "rage")], pl.DataFrame({"utterance_id": ["a"], "joy": [0.5], "anger": [0.5]}), "found the labels rage"),
    ("no sum", [("a", "r", "joy")], pl.DataFrame({"utterance_id": ["a"], "joy": [0.5], "anger": [0.1]}), "not probabilities that sum to 1"),
    ("rounded", [("a", "r", "joy")], pl.DataFrame({"utterance_id": ["a"], "joy": [0.5], "anger": [0.51]}), "rounded by their sum$"),
    ("no label", [("a", "r", "joy")], pl.DataFrame({"utterance_id": ["a"], "row": [1], "joy": [0.5], "anger": [0.5]}), "'row', 'joy', 'anger' were taken"),
    ("swapped", pl.DataFrame({"utterance_id": ["a"], "joy": [0.5], "anger": [0.5]}), pl.DataFrame({"utterance_id": ["a"], "label": ["joy"]}), "votes are the first"),
    ("other ids", [(7, "r", "joy")], pl.DataFrame({"utterance_id": ["clip7"], "joy": [0.5], "anger": [0.5]}), "found '7' in votes and 'clip7'"),
    ("twice", [("a", "r", "joy")], pl.DataFrame({"utterance_id": ["a", "a"], "joy": [0.5, 1], "anger": [0.5, 0]}), "an utterance occurs twice"),
    ("negative", pl.DataFrame({"utterance_id": ["a"], "joy": [-1], "anger": [2]}), None, "found negative"),
    ("no votes", pl.DataFrame({"utterance_id": ["a"], "joy": [0], "anger": [0]}), None, "found no vote"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("votes", "probabilities", "words"), [case[1:] for case in MISTAKES], ids=[c[0] for c in MISTAKES]
)
def test_a_mistake_is_one_line(votes: Any, probabilities: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        ambivox.pool(votes, probabilities)
    assert "\n" not in str(error.value)


SIGNATURES = {
    "annotate": "audio labels alm transcripts engine store settings",
    "dime_aug": "distributions features labels ratio neighbours classes seed",
    "equivalent_votes": "votes probabilities speakers labels votes_in_use seed",
    "load_distributions": "path source revision",
    "plan_labels": "votes probabilities budget speakers labels seed",
    "pool": "votes probabilities speakers labels interval criterion seed",
    "validate": "votes distributions speakers labels",
}


def test_signatures_are_stable() -> None:
    assert {*SIGNATURES, "UserError"} == set(ambivox.__all__) < set(dir(ambivox))
    assert ambivox.UserError is UserError
    for name, parameters in SIGNATURES.items():
        assert " ".join(inspect.signature(getattr(ambivox, name)).parameters) == parameters


def test_settings_and_options_of_annotate_have_the_same_defaults() -> None:
    from dataclasses import MISSING, fields

    from ambivox.models.annotation.settings import AnnotationSettings
    from ambivox.tasks.annotate import AnnotateOptions

    options = {field.name: field.default for field in fields(AnnotateOptions)}
    options["votes"] = options.pop("drawn_votes")
    for field in fields(AnnotationSettings):
        if field.default is not MISSING:
            assert field.default == options[field.name], field.name
