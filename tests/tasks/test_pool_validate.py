"""pool and validate from files to files, as DVC runs them, on a made-up corpus whose truth is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.statistics import metrics
from ambivox.models.tables import BASELINES, SOURCES, Annotations, Distributions, Utterances, Votes
from tests.support.pooling_tables import Files, annotation_frame, simulated_corpus, vote_table, write_files
from tests.support.steps import pool, validate

SCORES = ("nll", "squared_error", "js")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_files(tmp_path_factory.mktemp("made_up"), simulated_corpus(rows=1500, votes=9))


@pytest.fixture(scope="module")
def pooled(files: Files) -> Path:
    out = files.utterances.parent / "distributions"
    return pool(utterances=files.utterances, votes=files.votes, annotations=files.annotations, out=out)


@pytest.fixture(scope="module")
def validated(files: Files, pooled: Path) -> Path:
    return validate(
        utterances=files.utterances,
        votes=files.votes,
        heldout=files.heldout,
        annotations=files.annotations,
        distributions=pooled,
        truth=files.truth,
        out=files.utterances.parent / "validation",
    )


def test_pool_writes_every_source_for_the_same_utterances(files: Files, pooled: Path) -> None:
    tables = {
        source: Distributions.read(pooled / f"{source}.parquet")
        for source in (*SOURCES, "human_prior", "human_mixture")
    }
    assert len({tuple(table.frame["utterance_id"]) for table in tables.values()}) == 1
    for source, table in tables.items():
        assert set(table.frame["source"]) == {source}
        assert table.frame["fallback"].null_count() == len(table)
    assert set(tables["human"].frame["human_votes"]) == {3.0}
    assert set(tables["combined"].frame["equivalent_votes"]) == {10.0}
    for source in ("human_prior", "human_mixture"):
        assert set(tables[source].frame["equivalent_votes"]) == {0.0}
    for source in ("pooled", "human_prior", "human_mixture"):
        frame, p_NK = tables[source].frame, tables[source].frame.select(files.names).to_numpy()
        assert (frame["prior_votes"] > -1e-9).all() and (frame["expected_squared_error"] > 0).all()
        low_N, high_N = (frame[f"dominant_{end}"].to_numpy() for end in ("low", "high"))
        assert ((low_N <= p_NK.max(1)) & (p_NK.max(1) <= high_N)).all()
    trusted = [tables[source].frame["expected_squared_error"].mean() for source in ("pooled", "human_prior")]
    assert trusted[0] < 0.8 * trusted[1]
    counts = [
        tables[source].frame.select(files.names).to_numpy() for source in ("human", "synthetic", "combined")
    ]
    assert counts[2] == pytest.approx(
        (3 * counts[0] + 10 * counts[1]) / 13
    )  # the expectation: nothing is drawn
    names = {path.name for path in pooled.iterdir()}
    assert {"pooling.json", "worth.svg", "calibration.svg", "examples.svg"} <= names


def test_utterances_that_the_alm_was_trained_on_are_pooled_without_it(
    files: Files, pooled: Path, tmp_path: Path
) -> None:
    """A reserved speaker more gets distributions of human votes, and changes no other utterance's."""
    utterances, votes = Utterances.read(files.utterances), Votes.read(files.votes)
    new_ids = {name: f"r{name}" for name in files.ids[:40]}
    renamed = pl.col("utterance_id").replace_strict(new_ids)
    is_copied = pl.col("utterance_id").is_in(list(new_ids))
    reserved = utterances.frame.filter(is_copied).with_columns(
        renamed, speaker=pl.lit("reserved"), split=pl.lit("pretrain")
    )
    of_reserved = votes.frame.filter(is_copied).with_columns(renamed)
    table, their_votes = tmp_path / "utterances.parquet", tmp_path / "votes.parquet"
    Utterances.check(pl.concat([reserved, utterances.frame]), utterances.labels).write(table)
    Votes.check(pl.concat([of_reserved, votes.frame]), votes.labels).write(their_votes)
    out = pool(utterances=table, votes=their_votes, annotations=files.annotations, out=tmp_path / "out")
    tables = {path.stem: Distributions.read(path) for path in out.glob("*.parquet")}
    for source, distributions in tables.items():
        before = Distributions.read(pooled / f"{source}.parquet")
        assert distributions.frame.tail(len(before)).equals(before.frame), source
        expected = 0 if source in ("synthetic", "combined") else len(reserved)
        assert len(distributions) - len(before) == expected, source
    ids = reserved["utterance_id"]
    assert np.array_equal(tables["pooled"].aligned(ids), tables["human_mixture"].aligned(ids))
    of_pooled = tables["pooled"].frame.head(len(ids))
    assert of_pooled["utterance_id"].to_list() == ids.to_list()
    assert set(of_pooled["equivalent_votes"]) == {0.0}
    assert set(of_pooled["human_votes"]) == {3.0}


def test_pool_says_what_the_alm_is_worth(pooled: Path) -> None:
    summary = json.loads((pooled / "pooling.json").read_text())
    alm = summary["alms"]["made_up_alm"]
    assert 1 < alm["equivalent_votes"] < 8  # 5 by construction, less what votes say without it
    assert alm["is_informative"] is True
    worth = alm["worth"]
    assert worth["votes"] == 2 and worth["speakers"] > 1  # of three votes, one is the target
    for score in ("nll", "squared_error"):
        assert set(worth[score]) == {"overall", "low", "medium", "high"}
        rate = worth[score]["overall"]
        assert rate["low"] <= rate["limit"] and (
            rate["value"] is None or rate["low"] <= rate["value"] <= rate["limit"]
        )
    assert re.search(
        r"^made_up_alm is worth .+ by nll.* and .+ by squared error.* further human votes, beside 2",
        summary["statements"][0],
    )


def test_pool_gives_the_same_bytes_again(files: Files, pooled: Path, tmp_path: Path) -> None:
    again = pool(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        out=tmp_path / "x",
    )
    for path in sorted(pooled.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_test_speakers_votes_do_not_reach_the_model(files: Files, pooled: Path, tmp_path: Path) -> None:
    """The test speakers' votes are turned around: the fitted model must stay the same to the last digit."""
    votes, utterances = Votes.read(files.votes), Utterances.read(files.utterances)
    test = set(utterances.in_splits("test").frame["utterance_id"])
    turned = pl.when(pl.col("utterance_id").is_in(test)).then(pl.lit("label03")).otherwise(pl.col("label"))
    Votes.check(votes.frame.with_columns(label=turned), votes.labels).write(tmp_path / "votes.parquet")
    other = pool(
        utterances=files.utterances,
        votes=tmp_path / "votes.parquet",
        annotations=files.annotations,
        out=tmp_path / "x",
    )
    first, second = (json.loads((folder / "pooling.json").read_text()) for folder in (pooled, other))
    for part in ("prior", "mixture_alone", "mixture_beside_alms", "response", "fitted_on"):
        assert first[part] == second[part]
    for part in ("stack_weight", "bias", "matrix", "temperature"):
        assert first["alms"]["made_up_alm"][part] == second["alms"]["made_up_alm"][part]


def test_validation_ranks_the_sources_as_they_were_made(validated: Path) -> None:
    rows = json.loads((validated / "metrics.json").read_text())
    assert set(rows) == {*SOURCES, *BASELINES, "prior", "ceiling", "floor"}
    for score in ("nll", "squared_error"):
        floor, pooled = rows["floor"][score], rows["pooled"][score]
        others = [rows[source][score] for source in ("human_mixture", "human_smoothed", "synthetic", "prior")]
        assert floor < pooled < min(others)
    assert rows["human"]["nll"] is None and rows["human"]["nll_infinite"] > 0
    assert rows["pooled"]["nll_infinite"] == 0
    assert rows["pooled"]["nll_minus_human_mixture_high"] < 0  # the ALM adds something
    assert rows["pooled"]["squared_error_over_human"] < 0.8
    assert rows["pooled"]["js"] < min(rows[source]["js"] for source in ("human", "synthetic", "prior"))
    assert rows["pooled"]["js_truth"] < rows["human"]["js_truth"]
    for row in rows.values():
        assert row["js_low"] <= row["js"] <= row["js_high"]
    assert all(
        row["js_low_over_utterances"] <= row["js"] <= row["js_high_over_utterances"] for row in rows.values()
    )
    assert rows["human"]["js_over_human"] == 1.0
    assert 1 / 3 < rows["ceiling"]["accuracy"] < 1


def test_validation_matches_a_recount_by_hand(files: Files, pooled: Path, validated: Path) -> None:
    scores = pl.read_parquet(validated / "scores.parquet")
    truth_NK = Votes.read(files.heldout).counts(scores["utterance_id"])
    truth_NK /= truth_NK.sum(1, keepdims=True)
    p_NK = Distributions.read(pooled / "pooled.parquet").aligned(scores["utterance_id"])
    assert scores["js_pooled"].to_numpy() == pytest.approx(metrics.jensen_shannon(truth_NK, p_NK))
    splits = Utterances.read(files.utterances).frame.filter(
        pl.col("utterance_id").is_in(scores["utterance_id"].to_list())
    )
    assert set(splits["split"]) == {"test"}


def test_validation_has_every_table_and_picture(validated: Path) -> None:
    details = json.loads((validated / "details.json").read_text())
    assert details["target"] == "held-out votes"
    assert set(details["tertiles"]) == {"independent_votes", "entropy", "paper"}
    assert details["tertiles_missing"] is None
    cells = details["tertiles"]["independent_votes"]["high"]
    assert cells["pooled"]["nll"] < cells["human_prior"]["nll"] and cells["human"]["nll"] is None
    assert {(test["first"], test["second"]) for test in details["paired_tests"]} >= {
        ("pooled", "human"),
        ("pooled", "combined"),
        ("pooled", "human_prior"),
    }
    by_score = {
        score: [test for test in details["paired_tests"] if test["score"] == score] for score in SCORES
    }
    assert (
        len(by_score["nll"]) < len(by_score["squared_error"]) == len(by_score["js"])
    )  # raw votes: infinite nll
    assert all(0 <= test["p_value"] <= test["p_holm"] <= 1 for test in details["paired_tests"])
    assert 2 <= details["saturation"]["made_up_alm"]["point"] <= 20
    assert set(details["per_group"]["sex"]) == {"female", "male"}
    assert {"under 30", "30 to 44", "45 and over"} >= set(details["per_group"]["age"])
    assert 0 < details["human_agreement"]["krippendorff_alpha"] < 1
    pictures = {"sources", "tertiles", "saturation", "calibration", "labels", "groups"}
    assert pictures == {path.stem for path in validated.glob("*.svg")}


def test_without_held_out_votes_the_targets_are_all_votes_and_it_says_so(
    files: Files, pooled: Path, tmp_path: Path
) -> None:
    votes = Votes.read(files.votes)
    Votes(votes.frame.clear(), votes.labels).write(tmp_path / "none.parquet")
    out = validate(
        utterances=files.utterances,
        votes=files.votes,
        heldout=tmp_path / "none.parquet",
        annotations=files.annotations,
        distributions=pooled,
        out=tmp_path / "v",
    )
    rows = json.loads((out / "metrics.json").read_text())
    assert rows["human"]["js"] == 0.0 and rows["human"]["made_from_the_target"]
    assert rows["human_prior"]["made_from_the_target"]
    details = json.loads((out / "details.json").read_text())
    assert "independent_votes" not in details["tertiles"] and "held-out votes" in details["tertiles_missing"]
    assert "made_from_the_target" not in rows["synthetic"]
    drawn = (out / "sources.svg").read_text()
    assert "corpus prior" in drawn and "pooled" not in drawn and not (out / "tertiles.svg").exists()


def test_no_vote_on_the_test_speakers(files: Files, pooled: Path, tmp_path: Path) -> None:
    votes = Votes.read(files.votes)
    Votes(votes.frame.clear(), votes.labels).write(tmp_path / "none.parquet")
    with pytest.raises(UserError, match="split test"):
        validate(
            utterances=files.utterances,
            votes=tmp_path / "none.parquet",
            heldout=tmp_path / "none.parquet",
            annotations=files.annotations,
            distributions=pooled,
            out=tmp_path / "v",
        )


def test_gaps_fall_back_and_are_marked(files: Files, tmp_path: Path) -> None:
    """No votes for the first ten utterances, no answer for the second five of them and five more."""
    corpus = simulated_corpus(rows=1500, votes=9)
    votes = Votes.read(files.votes)
    voteless = set(files.ids[:10])
    Votes.check(votes.frame.filter(~pl.col("utterance_id").is_in(voteless)), votes.labels).write(
        tmp_path / "v.parquet"
    )
    q_NK = corpus.q_NK.copy()
    q_NK[5:15] = np.nan
    Annotations.check(annotation_frame(q_NK, files.ids), files.names).write(tmp_path / "a.parquet")
    out = pool(
        utterances=files.utterances,
        votes=tmp_path / "v.parquet",
        annotations=tmp_path / "a.parquet",
        out=tmp_path / "d",
    )
    tables = {source: Distributions.read(out / f"{source}.parquet").frame[:15] for source in SOURCES}
    assert tables["human"]["fallback"].to_list() == ["prior"] * 10 + [None] * 5
    assert tables["human"]["human_votes"].to_list() == [0.0] * 10 + [3.0] * 5
    assert tables["synthetic"]["fallback"].to_list() == [None] * 5 + ["prior"] * 10
    for source in ("combined", "pooled"):
        assert tables[source]["fallback"].to_list() == ["alm"] * 5 + ["prior"] * 5 + [None] * 5
    alone, pooled = (
        Distributions.read(out / f"{source}.parquet").frame[5:15].select(files.names).to_numpy()
        for source in ("human_mixture", "pooled")
    )
    assert pooled == pytest.approx(alone)  # nothing but the human votes and the mixture to go by


def test_an_alm_that_never_answers_and_an_empty_table(files: Files, tmp_path: Path) -> None:
    silent = Annotations.check(annotation_frame(np.full((1500, 4), np.nan), files.ids), files.names)
    for name, table in (("silent", silent), ("empty", Annotations(silent.frame.clear(), silent.labels))):
        table.write(tmp_path / f"{name}.parquet")
        out = pool(
            utterances=files.utterances,
            votes=files.votes,
            annotations=tmp_path / f"{name}.parquet",
            out=tmp_path / name,
        )
        alone, pooled = (
            Distributions.read(out / f"{source}.parquet") for source in ("human_mixture", "pooled")
        )
        assert pooled.frame.select(files.names).equals(alone.frame.select(files.names))
        validate(
            utterances=files.utterances,
            votes=files.votes,
            heldout=files.heldout,
            annotations=tmp_path / f"{name}.parquet",
            distributions=out,
            out=tmp_path / f"{name}-v",
        )


def test_alms_votes_among_the_votes_are_not_taken_for_humans(
    files: Files, pooled: Path, tmp_path: Path
) -> None:
    votes = Votes.read(files.votes)
    more = vote_table(np.tile([5.0, 0, 0, 0], (1500, 1)), files.ids, files.names, kind="alm")
    Votes.check(pl.concat([votes.frame, more.frame]), votes.labels).write(tmp_path / "v.parquet")
    out = pool(
        utterances=files.utterances,
        votes=tmp_path / "v.parquet",
        annotations=files.annotations,
        out=tmp_path / "d",
    )
    assert (out / "human.parquet").read_bytes() == (pooled / "human.parquet").read_bytes()


def test_two_files_with_one_alm_and_other_mistakes(files: Files, tmp_path: Path) -> None:
    common = {
        "utterances": files.utterances,
        "votes": files.votes,
        "annotations": files.annotations,
        "out": tmp_path / "d",
    }
    with pytest.raises(UserError, match="more than one annotations file"):
        pool(**common, more_annotations=(files.annotations,))
    with pytest.raises(UserError, match="synthetic-votes must be at least 1"):
        pool(**common, synthetic_votes=0)
    with pytest.raises(UserError, match="no such file"):
        pool(**(common | {"votes": tmp_path / "absent.parquet"}))
    assert not (tmp_path / "d").exists()


def test_raters_reliability_weighs_in_pooled_alone(files: Files, pooled: Path, tmp_path: Path) -> None:
    """Raters get identities: one in three of the votes is that of a rater who always says the same."""
    votes = Votes.read(files.votes)
    number = pl.int_range(pl.len()).over("utterance_id")
    lazy = number == 2
    frame = votes.frame.with_columns(
        annotator_id=pl.when(lazy).then(pl.lit("lazy")).otherwise(pl.format("r{}", number)),
        label=pl.when(lazy).then(pl.lit("label03")).otherwise(pl.col("label")),
    )
    Votes.check(frame, votes.labels).write(tmp_path / "v.parquet")
    common = {
        "utterances": files.utterances,
        "votes": tmp_path / "v.parquet",
        "annotations": files.annotations,
    }
    weighted = pool(**common, out=tmp_path / "w", raters="dawid_skene")
    alike = pool(**common, out=tmp_path / "a")
    assert (weighted / "human.parquet").read_bytes() == (alike / "human.parquet").read_bytes()
    lazily = [
        Distributions.read(folder / "pooled.parquet").frame["label03"].mean() for folder in (weighted, alike)
    ]
    assert lazily[0] < lazily[1]
    with pytest.raises(UserError, match="--raters alike"):
        pool(**(common | {"votes": files.votes}), out=tmp_path / "x", raters="mace")


@pytest.mark.parametrize("labels", [1, 2, 20])
def test_any_number_of_labels_from_files_to_files(labels: int, tmp_path: Path) -> None:
    files = write_files(tmp_path, simulated_corpus(rows=240, labels=labels, votes=7, speakers=12))
    out = pool(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        out=tmp_path / "d",
    )
    validated = validate(
        utterances=files.utterances,
        votes=files.votes,
        heldout=files.heldout,
        annotations=files.annotations,
        distributions=out,
        out=tmp_path / "v",
    )
    rows = json.loads((validated / "metrics.json").read_text())
    if labels == 1:
        assert all(
            row["js"] == row["nll"] == 0.0 for row in rows.values()
        )  # there is nothing to disagree about
    else:
        # even with 160 utterances to learn from
        assert rows["pooled"]["squared_error"] < rows["human"]["squared_error"]
        assert rows["pooled"]["nll"] < rows["human_prior"]["nll"] + 0.02


def test_no_human_vote_at_all(files: Files, tmp_path: Path) -> None:
    votes = Votes.read(files.votes)
    Votes(votes.frame.clear(), votes.labels).write(tmp_path / "none.parquet")
    out = pool(
        utterances=files.utterances,
        votes=tmp_path / "none.parquet",
        annotations=files.annotations,
        out=tmp_path / "d",
        criterion="js",
    )
    sentence = "pooled is as by the likelihood, not by js: no ALM contributes"
    assert json.loads((out / "pooling.json").read_text())["statements"][0] == sentence
    for source in ("human", "pooled"):
        frame = Distributions.read(out / f"{source}.parquet").frame
        assert set(frame["fallback"]) == {"prior"}  # nothing was learned of the ALM, so it is not trusted
        assert frame.select(files.names).to_numpy() == pytest.approx(0.25)
