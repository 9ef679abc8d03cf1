"""The step annotate with the fake engine: what is asked and stored, votes, and wrong settings."""

from __future__ import annotations

import wave

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.tables import Utterances, Votes
from tests.support.annotation_fixtures import LABELS, utterance_row
from tests.support.annotation_runs import ALL_SPLITS, read_annotations, scored_prompts
from tests.support.steps import annotate


def test_one_row_for_every_utterance_persona_and_order(make_utterances, run_annotate):
    utterances = make_utterances(6)
    frame = read_annotations(run_annotate(utterances, personas=("paper", "placebo"), orders=4)).frame
    assert frame.height == 6 * 6 * 4
    assert frame.select("utterance_id", "persona", "option_order").is_unique().all()
    assert frame["utterance_id"].unique(maintain_order=True).to_list() == [f"u{n:04d}" for n in range(6)]
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    np.testing.assert_allclose(p_RK.sum(axis=1), 1, atol=1e-5)
    assert frame["label_mass"].is_between(0, 1).all()
    assert frame["engine"].unique().to_list() == ["fake 1"] and frame["elicitation"].unique().to_list() == [
        "exact"
    ]


def test_pretrain_utterances_are_not_annotated(tmp_path, make_utterances, run_annotate):
    utterances = make_utterances(4)
    before = Utterances.read(utterances)
    frame = before.frame.with_columns(split=pl.Series(["pretrain", "train", "development", "test"]))
    Utterances.check(frame, before.labels).write(utterances)
    assert read_annotations(run_annotate(utterances)).frame["utterance_id"].unique(
        maintain_order=True
    ).to_list() == [
        "u0001",
        "u0002",
        "u0003",
    ]
    with pytest.raises(UserError, match="no utterances"):
        run_annotate(utterances, splits=("nonesuch",))


def test_only_what_is_new_is_computed(make_utterances, run_annotate):
    utterances = make_utterances(8)
    run_annotate(utterances, splits=("train",))
    first = scored_prompts()
    again = run_annotate(utterances, splits=("train",))
    assert scored_prompts() == first
    run_annotate(utterances, splits=ALL_SPLITS)
    second = scored_prompts() - first
    assert 0 < second < first  # two more clips, and what the checks ask of the new sample
    run_annotate(utterances, splits=ALL_SPLITS, personas=("voice_and_words", "tone", "subtle"))
    assert scored_prompts() - first - second == 8 * 2  # the new persona, in two orders
    assert read_annotations(again).frame.height == 8 * 3 * 2


def test_the_same_clip_under_two_names_is_asked_once(tmp_path, make_utterances, run_annotate):
    utterances = make_utterances(1)
    before = Utterances.read(utterances)
    twin = before.frame.with_columns(utterance_id=pl.lit("twin"))
    Utterances.check(pl.concat([before.frame, twin]), before.labels).write(utterances)
    out = run_annotate(utterances, splits=ALL_SPLITS, modality="audio")
    assert read_annotations(out).frame.group_by("utterance_id").len()["len"].to_list() == [4, 4]
    # two personas in two orders, and the transcript modality and both modality of the checks
    assert scored_prompts() == 4 + 4


def test_equal_runs_give_equal_bytes(make_utterances, run_annotate, tmp_path):
    utterances = make_utterances(5)
    first = run_annotate(utterances, "a", store=str(tmp_path / "s1"), drawn_votes=3)

    @settings(max_examples=2)
    @given(shard=st.integers(1, 4))
    def holds(shard: int) -> None:
        second = run_annotate(
            utterances, f"b{shard}", store=str(tmp_path / f"s{shard}-2"), drawn_votes=3, shard=shard
        )
        for name in (
            "annotations.parquet",
            "votes.parquet",
            "rejects.parquet",
            "checks.json",
            "answers.svg",
            "checks.svg",
        ):
            assert (first / name).read_bytes() == (second / name).read_bytes(), name

    holds()


def test_adding_utterances_changes_no_other(make_utterances, run_annotate, tmp_path):
    path = make_utterances(4)
    table = Utterances.read(path)

    def rows(path, name, shard):
        out = run_annotate(
            path, name, store=str(tmp_path / f"store-{name}"), shard=shard, splits=ALL_SPLITS, drawn_votes=3
        )
        return read_annotations(out).frame, Votes.read(out / "votes.parquet").frame

    everything = rows(path, "all", 2)

    @settings(max_examples=2, phases=[Phase.generate])
    @given(chosen=st.permutations(range(4)), count=st.integers(1, 3), shard=st.integers(1, 3))
    def holds(chosen: list[int], count: int, shard: int) -> None:
        name = "-".join(map(str, [*chosen[:count], shard]))
        part = Utterances.check(table.frame[chosen[:count]], table.labels)
        found = rows(part.write(tmp_path / f"{name}.parquet"), name, shard)
        for own, others in zip(found, everything, strict=True):
            names = part.frame.select("utterance_id")
            assert own.equals(names.join(others, on="utterance_id", maintain_order="left_right"))

    holds()


def test_temperature_is_closed_form_and_free(make_utterances, run_annotate):
    utterances = make_utterances(4)
    plain = read_annotations(run_annotate(utterances, splits=ALL_SPLITS)).frame
    before = scored_prompts()
    hot = read_annotations(run_annotate(utterances, "hot", splits=ALL_SPLITS, temperature=2.0)).frame
    assert scored_prompts() == before
    p, q = (np.exp(np.array(frame["logprobs"].to_list())) for frame in (plain, hot))
    np.testing.assert_allclose(q, np.sqrt(p) / np.sqrt(p).sum(1, keepdims=True), atol=1e-5)
    assert set(hot["temperature"]) == {2.0}
    with pytest.raises(UserError, match="temperature"):
        run_annotate(utterances, temperature=0.0)


def test_votes_are_drawn_from_the_distribution_without_another_call(make_utterances, run_annotate):
    utterances = make_utterances(4)
    out = run_annotate(utterances, splits=ALL_SPLITS)
    before = scored_prompts()
    assert len(Votes.read(out / "votes.parquet")) == 0
    out = run_annotate(utterances, "voted", splits=ALL_SPLITS, drawn_votes=2000, seed=5)
    assert scored_prompts() == before
    votes = Votes.read(out / "votes.parquet")
    frame = votes.frame.filter(pl.col("annotator_id").str.contains(":tone:"))
    n_NK = Votes(frame, votes.labels).counts(pl.Series([f"u{n:04d}" for n in range(4)]))
    assert (n_NK.sum(1) == 2000).all()
    rows = read_annotations(out).frame.filter(pl.col("persona") == "tone")
    expected = np.exp(np.array(rows["logprobs"].to_list())).reshape(4, 2, -1).mean(axis=1)
    from scipy.stats import chisquare

    expected /= expected.sum(axis=1, keepdims=True)
    assert min(chisquare(n, 2000 * p).pvalue for n, p in zip(n_NK, expected, strict=True)) > 1e-4


def test_other_answers_to_the_same_questions_are_another_version(tmp_path, run_annotate):
    """If this fails on purpose, raise ``ANSWERS_VERSION``: stores hold answers of the earlier code."""
    from ambivox.models.annotation.work_items import ANSWERS_VERSION

    rows = []
    for number, seconds in ((0, 0.5), (1, 65.0)):
        # Whole numbers, so that every machine writes the same bytes.
        square = np.where(np.arange(int(seconds * 16_000)) // (20 + number) % 2, 3000, -3000).astype(np.int16)
        with wave.open(str(tmp_path / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(square.tobytes())
        rows.append(utterance_row(tmp_path / f"{number}.wav", number, seconds))
    utterances = Utterances.check(pl.DataFrame(rows), LABELS).write(tmp_path / "u.parquet")
    frame = read_annotations(run_annotate(utterances, splits=ALL_SPLITS, personas=("tone",), orders=2)).frame
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    pinned = [
        [0.849237, 0.104409, 0.032559, 0.013794],
        [0.836773, 0.109969, 0.036657, 0.016601],
        [0.020249, 0.288528, 0.254527, 0.436696],
        [0.017689, 0.281683, 0.25191, 0.448718],
    ]
    assert ANSWERS_VERSION == 2
    np.testing.assert_allclose(p_RK, pinned, atol=1e-5)
    sampled = run_annotate(
        utterances, "sampled", splits=ALL_SPLITS, elicitation="sampled", drawn_votes=8, seed=3
    )
    assert "".join(label[0] for label in read_annotations(sampled).frame["label"]) == "aaaanaaannnshnss"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alm": "nonesuch"}, "unknown ALM"),
        ({"engine": "nonesuch"}, "unknown engine"),
        ({"personas": ("nonesuch",)}, "unknown persona"),
        ({"orders": 3}, "even number"),
        ({"elicitation": "sampled"}, "--drawn-votes"),
        ({"alm": "tiny"}, "no published weights"),
        ({"shard": 0}, "at least 1 clip"),
        ({"engine": "server"}, "--server"),
        *(
            ({"store": store}, "expected a folder, or s3://bucket/prefix")
            for store in (
                "s3://",
                "s3:///votes",
                "s3:/bucket/votes",
                "S3://bucket/votes",
                "gs://bucket/votes",
            )
        ),
    ],
)
def test_a_wrong_setting_is_an_error_of_one_line(make_utterances, run_annotate, options, message):
    with pytest.raises(UserError, match=message):
        run_annotate(make_utterances(1), splits=ALL_SPLITS, **options)


def test_by_default_six_orders_are_asked_and_no_order_bias_is_left(
    make_utterances, tmp_path, fresh_engine, monkeypatch
):
    """What a place of an option adds to its log-probability cancels in the ALM's distribution."""
    place_K = np.array([1.0, 0.4, 0.0, -0.4])

    def biased(_: object) -> np.ndarray:
        return place_K - np.log(np.exp(place_K).sum())

    monkeypatch.setattr("ambivox.models.engines.fake._logprobs", biased)
    utterances = make_utterances(3)
    labels = len(Utterances.read(utterances).labels)
    common = {
        "utterances": utterances,
        "alm": "qwen2_audio",
        "engine": "fake",
        "personas": ("tone",),
        "splits": ALL_SPLITS,
    }
    frame = read_annotations(annotate(out=tmp_path / "six", store=str(tmp_path / "s"), **common)).frame
    assert frame["option_order"].n_unique() == 6
    ids = frame["utterance_id"].unique()

    def distance(orders: int) -> float:
        out = annotate(out=tmp_path / f"{orders}", store=str(tmp_path / "s"), orders=orders, **common)
        (alm,) = synthetic_distributions(read_annotations(out), ids)
        return float(np.abs(alm.q_NK - 1 / labels).max())

    assert distance(1) > 0.2 > distance(6)
    assert distance(2 * labels) < 1e-9
