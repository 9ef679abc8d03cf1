"""The sparse-vote trial: on a made-up corpus, and on CREMA-D's real votes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Utterances
from tests.support.pooling_tables import Files, annotation_frame, simulated_corpus, write_files
from tests.support.steps import ingest, trial


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_files(tmp_path_factory.mktemp("made_up"), simulated_corpus(rows=1200, votes=9))


def _rows(out: Path) -> dict[tuple[int, str], dict]:  # type: ignore[type-arg]
    return {
        (row["votes"], row["source"]): row for row in json.loads((out / "trial.json").read_text())["rows"]
    }


def test_the_fewer_the_votes_the_more_pooling_gains(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trial(
        utterances=files.utterances,
        votes=files.votes,
        heldout=files.heldout,
        annotations=files.annotations,
        out=tmp_path / "t",
        draws=2,
    )
    rows = _rows(out)
    gains = [rows[k, "pooled"]["squared_error_over_human"]["value"] for k in (1, 3, 5)]
    assert gains == sorted(gains) and gains[-1] < 1
    for k in (1, 3, 5):
        assert rows[k, "human"]["over_human"]["value"] == 1.0
        assert rows[k, "pooled"]["js"]["value"] < rows[k, "combined"]["js"]["value"]
        assert rows[k, "pooled"]["p_squared_error"] < 0.05 and rows[k, "pooled"]["p_nll"] < 0.05
        assert rows[k, "pooled"]["nll_minus_human_mixture"]["high"] < 0
        assert rows[k, "pooled_balanced"]["js"]["value"] < rows[k, "pooled"]["js"]["value"]
        assert rows[k, "pooled_balanced"]["nll"]["value"] < rows[k, "pooled"]["nll"]["value"] + 0.01
        assert rows[k, "human_mixture"]["nll_minus_human_mixture"]["value"] == 0
        assert rows[k, "human"]["nll"]["value"] is None and rows[k, "human"]["nll_infinite"] > 0
        assert rows[k, "human_prior"]["nll"]["value"] < rows[k, "human_smoothed"]["nll"]["value"]
        for source in ("pooled", "human_prior", "synthetic"):
            by_tertile = rows[k, source]["independent_votes"]
            mean = np.mean([by_tertile[name]["nll"]["value"] for name in ("low", "medium", "high")])
            assert mean == pytest.approx(rows[k, source]["nll"]["value"], abs=0.05)
        assert (k, "intent") not in rows
    assert "| 3 | pooled |" in capsys.readouterr().out
    assert (out / "trial.svg").read_bytes().startswith(b"<?xml")
    scores = pl.read_parquet(out / "scores.parquet")
    assert set(scores["votes"]) == {1, 3, 5} and {"nll_pooled", "squared_error_human"} <= set(scores.columns)


def test_too_few_votes_for_ambiguity_are_said(files: Files, tmp_path: Path) -> None:
    out = trial(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        out=tmp_path / "t",
        votes_kept=(1,),
        draws=1,
        criterion="js",
    )
    rows = _rows(out)
    assert rows[1, "pooled"]["independent_votes"] is None  # two of three votes are left
    assert (1, "pooled_balanced") not in rows  # it is fitted beside the likelihood only
    assert "too few votes" in (out / "trial.md").read_text()


def test_bad_numbers_of_votes(files: Files, tmp_path: Path) -> None:
    common = {
        "utterances": files.utterances,
        "votes": files.votes,
        "annotations": files.annotations,
        "out": tmp_path / "t",
    }
    with pytest.raises(UserError, match="whole numbers of 1 or more"):
        trial(**common, votes_kept=(-1,))
    with pytest.raises(UserError, match="more than the 3 votes"):
        trial(**common, votes_kept=(3,))  # only 3 were kept, and the others are not given
    with pytest.raises(UserError, match="whole numbers of 1 or more"):
        trial(**common, votes_kept=(0,))


def test_the_intended_emotion_is_an_oracle_where_names_tell_it(files: Files, tmp_path: Path) -> None:
    """Renamed after CREMA-D, with the true dominant label as the intent, the oracle must beat the humans."""
    corpus = simulated_corpus(rows=1200, votes=9)
    codes = ["ANG", "DIS", "FEA", "HAP"]
    renamed = {
        name: f"{1000 + number}_ABC_{codes[int(theta.argmax())]}_XX"
        for number, (name, theta) in enumerate(zip(files.ids, corpus.theta_NK, strict=True))
    }
    for path in (files.utterances, files.votes, files.heldout, files.annotations):
        table = pl.read_parquet(path).with_columns(pl.col("utterance_id").replace_strict(renamed))
        if "corpus" in table.columns:
            table = table.with_columns(corpus=pl.lit("crema_d"))
        Utterances(table, files.names).write(tmp_path / path.name)
    out = trial(
        utterances=tmp_path / "utterances.parquet",
        votes=tmp_path / "votes.parquet",
        heldout=tmp_path / "heldout.parquet",
        annotations=tmp_path / "annotations.parquet",
        out=tmp_path / "t",
        votes_kept=(3,),
        draws=1,
    )
    rows = _rows(out)
    assert rows[3, "intent"]["over_human"]["value"] < 0.9


_CREMA_D = Path(__file__).parents[3] / "shared" / "crema-d"


@pytest.mark.crema_d
@pytest.mark.skipif(not _CREMA_D.is_dir(), reason="shared/crema-d is not beside the checkout")
def test_on_crema_d_pooling_with_the_acted_intent_reaches_its_targets(tmp_path: Path) -> None:
    """Real votes of speakers that pooling never saw: 0.20 / 0.43 / 0.58 of the humans' squared error, and by tertile.

    No audio is heard: the intended emotion stands in for an ALM, and the annotations table is empty.
    """
    data = ingest(corpus="crema_d", root=_CREMA_D, out=tmp_path / "ingest", cache=tmp_path / "cache")
    names = Utterances.read(data / "utterances.parquet").labels
    empty = annotation_frame(np.full((1, len(names)), np.nan), ["u"]).clear()
    Annotations.check(empty, names).write(tmp_path / "none.parquet")
    out = trial(
        utterances=data / "utterances.parquet",
        votes=data / "votes.parquet",
        annotations=tmp_path / "none.parquet",
        out=tmp_path / "t",
        draws=2,
    )
    rows = _rows(out)
    for k, target in ((1, 0.20), (3, 0.43), (5, 0.58)):
        intent, pooled = rows[k, "intent"], rows[k, "pooled"]
        assert intent["squared_error_over_human"]["value"] <= target
        assert intent["nll_minus_human_mixture"]["high"] < 0
        assert pooled["nll_minus_human_mixture"]["value"] == 0.0  # no ALM: human votes and mixture
        assert pooled["squared_error_over_human"]["high"] < 0.8  # which is better than the humans alone
    for third, target in (("low", 0.55), ("medium", 0.47), ("high", 0.44)):
        by_ambiguity = rows[3, "intent"]["independent_votes"]
        assert by_ambiguity[third]["squared_error_over_human"]["value"] <= target
