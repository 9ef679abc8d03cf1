"""The step evaluate: the targets are human and of the test split, and every figure by a second way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon

from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Distributions, Utterances, Votes
from tests.support.steps import evaluate

LABELS = ("anger", "neutral", "sadness")
N = 60


def votes_table(rows: list[tuple[str, str, str, str]]) -> Votes:
    """Votes from (utterance, annotator, kind, label)."""
    frame = pl.DataFrame(
        rows,
        schema=dict.fromkeys(("utterance_id", "annotator_id", "annotator_kind", "label"), pl.String),
        orient="row",
    )
    return Votes.check(frame.with_columns(weight=pl.lit(1.0)), LABELS)


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Path]:
    """Sixty utterances, a third of them test; two models, one of which knows the truth; and the flags."""
    random = np.random.default_rng(0)
    ids = pl.Series("utterance_id", [f"u{n:02d}" for n in range(N)])
    split = ["train" if n < 30 else "development" if n < 40 else "test" for n in range(N)]
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "x",
            "audio": "x.wav",
            "audio_sha256": "0",
            "duration_seconds": 1.0,
            "sample_rate_hz": 16000,
            "split": split,
            "speaker": [f"s{n % 5}" for n in range(N)],
            "sex": ["female" if n % 2 else "male" for n in range(N)],
            "age": [20.0 + n % 25 for n in range(N)],
        }
    )
    truth_NK = random.dirichlet([0.6, 0.6, 0.6], N)
    observed, heldout = [], []
    for name, p in zip(ids, truth_NK, strict=True):
        for rater in range(3):
            observed.append((name, f"r{rater}", "human", LABELS[random.choice(3, p=p)]))
        observed.append((name, "machine", "alm", "anger"))
        for rater in range(3, 10):
            heldout.append((name, f"r{rater}", "human", LABELS[random.choice(3, p=p)]))
    folder = tmp_path / "predictions"
    uniform_NK = np.full((N, 3), 1 / 3)
    Distributions.of(ids, "human", uniform_NK, LABELS).write(folder / "human-on.parquet")
    Distributions.of(ids, "pooled", truth_NK, LABELS).write(folder / "pooled-on.parquet")
    Distributions.of(ids, "human", uniform_NK, LABELS).write(tmp_path / "distributions" / "human.parquet")
    annotations = pl.DataFrame(
        {
            "utterance_id": [*ids, *ids],
            "alm": "tiny",
            "revision": "r",
            "elicitation": "exact",
            "persona": "tone",
            "option_order": "0-1-2",
            "temperature": 1.0,
            "refused": False,
            "prompt_sha256": "0",
            "engine": "fake",
            "logprobs": [np.log([0.5, 0.3, 0.2]).tolist()] * N + [np.log([0.1, 0.7, 0.2]).tolist()] * N,
        }
    )
    return {
        "utterances": Utterances.check(frame, LABELS).write(tmp_path / "utterances.parquet"),
        "votes": votes_table(observed).write(tmp_path / "votes.parquet"),
        "heldout": votes_table(heldout).write(tmp_path / "heldout.parquet"),
        "annotations": Annotations.check(annotations, LABELS).write(tmp_path / "annotations.parquet"),
        "distributions": tmp_path / "distributions",
        "predictions": folder,
        "out": tmp_path / "evaluation",
    }


def target_of(votes: Path, arguments: dict[str, Path]) -> np.ndarray:
    """Shares of human votes on the test split, counted by hand."""
    frame = Votes.read(votes).frame.filter(pl.col("annotator_kind") == "human")
    p_NK = np.zeros((20, 3))
    for name, label in frame.select("utterance_id", "label").iter_rows():
        if int(name[1:]) >= 40:
            p_NK[int(name[1:]) - 40, LABELS.index(label)] += 1
    return p_NK / p_NK.sum(axis=1, keepdims=True)


def js(p_NK: np.ndarray, q_NK: np.ndarray) -> float:
    """The squared distance of scipy, base 2."""
    return float(np.mean(jensenshannon(p_NK, q_NK, axis=1, base=2) ** 2))


def test_every_row_against_the_held_back_human_votes_by_scipy(arguments) -> None:
    metrics = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    p_NK = target_of(arguments["heldout"], arguments)
    truth_NK = (
        Distributions.read(arguments["predictions"] / "pooled-on.parquet")
        .frame.select(LABELS)
        .to_numpy()[40:]
    )
    assert metrics["human-on"]["js"] == pytest.approx(js(p_NK, np.full((20, 3), 1 / 3)), abs=1e-6)
    assert metrics["pooled-on"]["js"] == pytest.approx(js(p_NK, truth_NK), abs=1e-6)
    assert metrics["pooled-on"]["bc"] == pytest.approx(np.sqrt(p_NK * truth_NK).sum(1).mean(), abs=1e-6)
    # The ALM's two answers, averaged in log space.
    geometric_K = np.sqrt([0.5 * 0.1, 0.3 * 0.7, 0.2 * 0.2])
    zero_shot = np.tile(geometric_K / geometric_K.sum(), (20, 1))
    assert metrics["zero-shot"]["js"] == pytest.approx(js(p_NK, zero_shot), abs=1e-6)
    nll_N = -(p_NK * np.log(zero_shot)).sum(1)
    assert metrics["zero-shot"]["nll"] == pytest.approx(nll_N.mean(), abs=1e-6)
    own_N = (p_NK * (1 - p_NK)).sum(1) / (7 - 1)  # seven held-out votes each
    expected = (((p_NK - truth_NK) ** 2).sum(1) - own_N).mean()
    assert metrics["pooled-on"]["squared_error"] == pytest.approx(expected, abs=1e-6)
    references = {"zero-shot", "prior", "votes", "human_smoothed", "ceiling", "floor"}
    assert set(metrics) == {"human-on", "pooled-on"} | references
    for row in metrics.values():
        assert row.get("js_low", 0) <= row["js"] <= row.get("js_high", 1)


def test_every_alm_of_a_run_has_a_row(arguments) -> None:
    alone = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    first = Annotations.read(arguments["annotations"])
    uniform = first.frame.with_columns(alm=pl.lit("another"), logprobs=pl.lit([np.log(1 / 3)] * 3))
    further = arguments["annotations"].parent / "further/01-another/annotations.parquet"
    Annotations.check(uniform, LABELS).write(further)
    both = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    assert both["zero-shot-tiny"] == alone["zero-shot"] and "zero-shot" not in both
    p_NK = target_of(arguments["heldout"], arguments)
    expected = js(p_NK, np.full((20, 3), 1 / 3))
    assert both["zero-shot-another"]["js"] == pytest.approx(expected, abs=1e-6)


def test_the_prior_is_the_human_mean_of_train_and_development(arguments) -> None:
    metrics = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    human = Votes.read(arguments["votes"]).frame.filter(pl.col("annotator_kind") == "human")
    fitted = human.filter(pl.col("utterance_id") < "u40")  # train and development
    counts_K = np.array([(fitted["label"] == label).sum() for label in LABELS])
    prior_K = (counts_K + 0.5) / (fitted.height + 1.5)
    assert metrics["prior"]["js"] == pytest.approx(
        js(target_of(arguments["heldout"], arguments), np.tile(prior_K, (20, 1))), abs=1e-6
    )


def test_without_held_back_votes_all_human_votes_are_the_target_and_never_an_alms(arguments) -> None:
    empty = Votes.read(arguments["heldout"])
    Votes(empty.frame.head(0), LABELS).write(arguments["heldout"])
    metrics = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    assert metrics["human-on"]["js"] == pytest.approx(
        js(target_of(arguments["votes"], arguments), np.full((20, 3), 1 / 3)), abs=1e-6
    )
    assert "votes" not in metrics


def test_the_better_model_is_found_better_and_figures_repeat(arguments) -> None:
    out = evaluate(**arguments)
    comparison = json.loads((out / "comparisons.json").read_text())["pooled-on - human-on"]
    assert (
        comparison["js"]["high"] < 0 and comparison["nll"]["high"] < 0 and comparison["p_nll"] < 0.1
    )  # of five speakers, 1/16 at least
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    assert {file.name: file.read_bytes() for file in evaluate(**arguments).iterdir()} == first
    assert {
        "metrics.json",
        "rows.csv",
        "tertiles.csv",
        "calibration.csv",
        "matrix.svg",
        "confusion.json",
    } <= set(first)


def test_the_ceiling_is_near_what_theory_says_of_two_halves(arguments) -> None:
    # Everyone votes the same: halves agree. Everyone votes at random between two labels: they cannot.
    unanimous = votes_table([(f"u{n:02d}", f"r{r}", "human", "anger") for n in range(N) for r in range(8)])
    unanimous.write(arguments["heldout"])
    unanimous.write(arguments["votes"])
    metrics = json.loads((evaluate(**arguments) / "metrics.json").read_text())
    assert metrics["ceiling"]["js"] == 0
    assert metrics["ceiling"]["accuracy"] == 1


def test_groups_of_speakers_are_told_apart(arguments) -> None:
    groups = pl.read_parquet(evaluate(**arguments) / "groups.parquet")
    assert set(groups["kind"]) == {"sex", "age", "speaker"}
    of_one = groups.filter((pl.col("kind") == "sex") & (pl.col("model") == "pooled-on"))
    assert of_one["utterances"].sum() == 20


def test_predictions_of_other_labels_or_of_nobody_are_refused(arguments) -> None:
    wrong = Distributions.of(pl.Series(["u50"]), "human", np.array([[0.5, 0.5]]), ("a", "b"))
    wrong.write(arguments["predictions"] / "wrong.parquet")
    with pytest.raises(UserError, match=r"wrong\.parquet"):
        evaluate(**arguments)
    Distributions.of(pl.Series(["other"]), "human", np.full((1, 3), 1 / 3), LABELS).write(
        arguments["predictions"] / "wrong.parquet"
    )
    with pytest.raises(UserError, match="no distribution of any test utterance"):
        evaluate(**arguments)


def test_no_human_votes_on_test_is_an_error(arguments) -> None:
    only_train = Votes.read(arguments["votes"]).frame.filter(pl.col("utterance_id") < "u30")
    Votes(only_train, LABELS).write(arguments["votes"])
    Votes(only_train.head(0), LABELS).write(arguments["heldout"])
    with pytest.raises(UserError, match="nothing to evaluate against"):
        evaluate(**arguments)


def test_the_papers_own_figures_are_drawn_beside_ours(arguments) -> None:
    picture = (evaluate(**arguments) / "matrix.svg").read_text()
    assert "the paper, IEMOCAP" in picture
    assert "the paper, MSP-Podcast" in picture
