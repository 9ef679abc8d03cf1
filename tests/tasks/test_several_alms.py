"""Several ALMs in one run: each is asked, all are pooled, and the report says what each adds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.annotation.several_alms import annotation_files
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.tables import Annotations, Utterances
from ambivox.tasks import annotate
from ambivox.tasks.annotate import AnnotateOptions, options_by_alm
from tests.support.annotation_fixtures import LABELS
from tests.support.pooling_tables import vote_table
from tests.support.report_run import Page
from tests.support.steps import pool, report

ALMS = ("qwen2_audio", "voxtral_mini", "gemma_4")


def test_each_alm_answers_as_it_would_alone(make_utterances, run_annotate):
    utterances = make_utterances(6)
    out = run_annotate(utterances, "all", alm=ALMS[0], more_alms=ALMS[1:])
    files = annotation_files(out / "annotations.parquet", (Path("elsewhere.parquet"),))
    assert [file.parent.name for file in files[:3]] == ["all", "01-voxtral_mini", "02-gemma_4"]
    assert files[3] == Path("elsewhere.parquet")
    alone = run_annotate(utterances, "alone", alm=ALMS[2])
    for name in ("annotations.parquet", "checks.json", "rejects.parquet", "answers.svg"):
        assert (files[2].parent / name).read_bytes() == (alone / name).read_bytes(), name
    run_annotate(utterances, "all", alm=ALMS[0], more_alms=ALMS[2:])
    # One that is no longer asked for is no longer there.
    assert [file.parent.name for file in annotation_files(files[0])] == ["all", "01-gemma_4"]


def test_wrong_sets_of_alms_are_one_line(make_utterances, run_annotate, tmp_path):
    utterances = make_utterances(2)
    for more, message in (
        (("qwen2_audio",), "found qwen2_audio .* twice, expected different ALMs"),
        (("voxtral_mini", "voxtral_mini"), "found voxtral_mini .* twice"),
        (("nonesuch",), "nonesuch"),
        (("hosted:a", "hosted:b"), "found 2 hosted ALMs .*expected one at most"),
    ):
        with pytest.raises(UserError, match=message):
            run_annotate(utterances, more_alms=more, allow_hosted=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", ""),
        ("tokenizer_config.json", "[]"),
        ("processor_config.json", "\n"),
        ("chat_template.jinja", "{% if"),
        ("chat_template.jinja", "1e400"),
    ],
)
def test_a_damaged_further_alm_is_named_before_the_first_one_is_asked(
    make_utterances, run_annotate, small_alm, tmp_path, monkeypatch, name, content
):
    damaged = Path(shutil.copytree(small_alm, tmp_path / "damaged"))
    (damaged / name).write_text(content)
    monkeypatch.setattr(annotate, "_ask", lambda *_: pytest.fail("the first ALM was asked"))
    with pytest.raises(UserError, match=r"damaged|chat template"):
        run_annotate(make_utterances(2), alm=str(small_alm), more_alms=(str(damaged),), engine="transformers")


def test_further_alms_have_an_engine_of_their_own():
    server = {"engine": "server", "server": "http://localhost:1/v1", "elicitation": "exact"}
    asked = dict(
        options_by_alm("qwen2_audio", AnnotateOptions(more_alms=("gpt_audio", "voxtral_mini"), **server))
    )
    assert {alm: (own.engine, own.server, own.elicitation) for alm, own in asked.items()} == {
        "qwen2_audio": ("server", "http://localhost:1/v1", "exact"),
        "gpt_audio": ("auto", "", "auto"),
        "voxtral_mini": ("auto", "", "auto"),
    }
    options = AnnotateOptions(more_alms=("hosted:m",), server="http://localhost:1/v1")
    assert options_by_alm("qwen2_audio", options)[1][1].server == "http://localhost:1/v1"


def test_all_are_pooled_and_the_report_says_what_each_adds(make_utterances, run_annotate, tmp_path):
    """The second ALM knows the votes better than the first, whose answers have nothing to do with them."""
    data = tmp_path / "data"
    (data / "ingest").mkdir(parents=True)
    made = make_utterances(45)
    table = Utterances.read(made)
    table.write(data / "ingest" / "utterances.parquet")
    run_annotate(made, "data/annotations", alm=ALMS[0], more_alms=ALMS[1:2], splits=("train", "test"))
    rng = np.random.default_rng(3)
    theta_NK = rng.dirichlet(np.full(len(LABELS), 0.4), 45)
    ids = table.frame["utterance_id"].to_list()
    n_NK = rng.multinomial(3, theta_NK).astype(float)
    vote_table(n_NK, ids, table.labels).write(data / "ingest" / "votes.parquet")
    files = annotation_files(data / "annotations" / "annotations.parquet")
    second = Annotations.read(files[1])
    p_by_id = dict(zip(ids, 0.95 * theta_NK + 0.05 / len(LABELS), strict=True))
    knowing = pl.Series([np.log(p_by_id[one]).tolist() for one in second.frame["utterance_id"]])
    Annotations.check(second.frame.with_columns(logprobs=knowing), second.labels).write(files[1])
    common = {
        "utterances": data / "ingest" / "utterances.parquet",
        "votes": data / "ingest" / "votes.parquet",
        "annotations": files[0],
    }
    pool(**common, out=data / "distributions")
    pooling = json.loads((data / "distributions" / "pooling.json").read_text())
    adds = {name: alm["adds_nll"] for name, alm in pooling["alms"].items()}
    assert list(adds) == list(ALMS[:2])
    assert adds["voxtral_mini"]["value"] > 0.02 > abs(adds["qwen2_audio"]["value"])
    page = Page(report(data=data, out=tmp_path / "report.html").read_text())
    for alm in ALMS[:2]:
        assert f"{alm} adds " in page.text and f"answers of {alm} (" in page.text
    # One that fails its check of sensitivity to the audio is left out, and the others stay.
    checks = files[0].parent / "checks.json"
    write_json(checks, json.loads(checks.read_text()) | {"audio_sensitive": False})
    pool(**common, out=data / "distributions")
    pooling = json.loads((data / "distributions" / "pooling.json").read_text())
    assert list(pooling["alms"]) == ["voxtral_mini"] and "qwen2_audio" in pooling["left_out"][0]
