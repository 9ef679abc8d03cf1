"""The sections of the report, each on a part of a small run."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.files import write_json
from ambivox.models.reporting.page import page
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.sections import provenance
from ambivox.models.reporting.sections.annotation import annotation
from ambivox.models.reporting.sections.corpus import corpus
from ambivox.models.reporting.sections.finetuning import finetuning
from ambivox.models.reporting.sections.pooling import pooling
from ambivox.models.reporting.sections.validation import validation
from ambivox.models.tables import Distributions, Utterances
from tests.support.report_run import make_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_run(tmp_path / "unit", 60)


def test_corpus_counts_votes_and_rejects(root: Path) -> None:
    section = corpus(Run(root))
    assert "The pipeline used 180 human votes; 420 more were held out for validation." in section.text
    assert section.warnings == ["The step ingest rejected 1 row, listed in ingest/rejects.parquet."]
    splits, rejects = section.tables
    assert [row[0] for row in splits.rows] == ["pretrain", "train", "development", "test"]
    assert rejects.rows == (("not audio", "1"),)
    pl.DataFrame({"reason": []}).write_parquet(root / "ingest/rejects.parquet")
    assert "The step ingest rejected nothing." in corpus(Run(root)).text


def test_what_a_hosted_alm_was_sent_and_cost_is_said(root: Path) -> None:
    path = root / "annotations/checks.json"
    hosted = {
        "sent_to": "https://api.example.org/v1",
        "answered_by": ["<b>m</b>"],
        "clips_sent": 7,
        "cost_usd": 1.5,
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hosted": hosted}))
    text = " ".join(annotation(Run(root)).text)
    assert "sent to: https://api.example.org/v1" in text and "cost (USD): 1.5" in text
    assert "paid requests: not known" in text
    assert "<b>m</b>" not in page(root)


def test_an_alm_of_almost_no_effect_is_named(root: Path) -> None:
    assert not any("almost no effect" in line for line in pooling(Run(root)).text)
    write_json(root / "distributions/pooling.json", {"alms": {"tiny": {"equivalent_votes": 0.02}}})
    assert "tiny has almost no effect: pooled is close to human + mixture." in pooling(Run(root)).text


def test_several_alms_are_compared_by_what_each_adds(root: Path) -> None:
    added = {"value": 0.021, "low": 0.012, "high": 0.03}
    alms = {"tiny": {"adds_nll": added}, "big": {"adds_nll": None}}
    write_json(root / "distributions/pooling.json", {"alms": alms})
    sentences = [line for line in pooling(Run(root)).text if " adds " in line]
    assert len(sentences) == 1 and sentences[0].startswith(
        "tiny adds 0.021 [0.012, 0.030] nats per held-out vote"
    )


def test_the_uncertainty_of_pooled_distributions_is_summed_up(root: Path) -> None:
    assert not any("can be trusted" in line for line in pooling(Run(root)).text)
    path = root / "distributions/pooled.parquet"
    table = Distributions.read(path)
    columns = {"expected_squared_error": 0.03, "dominant_low": 0.4, "dominant_high": 0.65}
    Distributions(table.frame.with_columns(**{k: pl.lit(v) for k, v in columns.items()}), table.labels).write(
        path
    )
    text = " ".join(pooling(Run(root)).text)
    assert "has the median 0.030 and exceeds 0.030" in text and "median width 0.25" in text


def test_validation_names_its_target(root: Path) -> None:
    assert (
        "the target is the held-out votes, which the pipeline has not seen" in validation(Run(root)).text[0]
    )
    (root / "ingest/heldout.parquet").unlink()
    assert "the target is all human votes of the split test" in validation(Run(root)).text[0]
    by_ambiguity, paired, by_sex = validation(Run(root)).folded
    assert [row[0] for row in by_ambiguity.rows] == ["human", "pooled"]
    assert paired.rows == (("JS (base 2)", "pooled − human", "-0.070 [-0.080, -0.060]", "7.0e-04"),)
    assert by_sex.columns == ("sex", "human", "human + mixture", "synthetic", "pooled", "human ceiling")


def test_what_was_made_from_the_target_is_compared_with_nothing(root: Path) -> None:
    metrics = json.loads((root / "validation/metrics.json").read_text())
    metrics["human"]["made_from_the_target"] = True
    write_json(root / "validation/metrics.json", metrics)
    by_ambiguity, by_sex = validation(Run(root)).folded
    assert [row[0] for row in by_ambiguity.rows] == ["pooled"]
    assert by_sex.columns == ("sex", "human + mixture", "synthetic", "pooled", "human ceiling")


def test_intervals_over_utterances_are_called_so(root: Path) -> None:
    utterances = Utterances.read(root / "ingest/utterances.parquet")
    one_speaker = utterances.frame.with_columns(
        speaker=pl.when(pl.col("split") == "test").then(pl.lit("one")).otherwise("speaker")
    )
    Utterances(one_speaker, utterances.labels).write(root / "ingest/utterances.parquet")
    details = json.loads((root / "validation/details.json").read_text())
    details["paired_tests"][0] |= {"least_p_holm": 0.07, "speakers": 8}
    write_json(root / "validation/details.json", details)
    (paired,) = (table for table in validation(Run(root)).folded if table.columns[0] == "score")
    assert paired.caption == "Differences, paired over utterances; p is adjusted over the pairs of a score"
    assert paired.rows[0][3].endswith("(cannot be below 0.070 with 8 utterances)")
    assert (
        "95% intervals over utterances, because fewer than two test speakers" in validation(Run(root)).text[0]
    )
    text = page(root)
    assert "with 95% intervals over utterances: " in text
    assert "intervals over speakers:" not in text


def test_fine_tuned_models_of_earlier_versions_are_ranked_by_js(root: Path) -> None:
    metrics = {
        "human-on": {"js": 0.3, "f1_macro": 0.5},
        "pooled-on": {"js": 0.2, "macro_f1": 0.6},
        "prior": {"js": 0.4},
    }
    write_json(root / "evaluation/metrics.json", metrics)
    (table,) = finetuning(Run(root)).tables
    assert [(row[0], row[6]) for row in table.rows] == [
        ("pooled-on", "0.600"),
        ("human-on", "0.500"),
        ("corpus prior", "–"),
    ]


def test_provenance_lists_the_files_that_are_there(root: Path) -> None:
    files, annotators, software = provenance(Run(root)).tables
    assert ("validation/metrics.json", Run(root).digest("validation/metrics.json")) in files.rows
    assert annotators.rows[0][:2] == ("tiny", "abc123")
    assert "polars" in [row[0] for row in software.rows]
