"""The flow finetune_matrix for real: a corpus entered into the matrix, its cell trained, judged, shown; then nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from ambivox.flows import params_file
from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Utterances, Votes
from tests.support.annotation_fixtures import build_small_alm
from tests.support.pooling_tables import annotation_frame
from tests.support.scratch_project import init_repository
from tests.support.tone_corpus import LABELS, tone_corpus

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
STAGES = ("augment", "finetune", "predict", "evaluate")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own stages from augment on, one epoch long, over a corpus of tones that is ingested and annotated."""
    pytest.importorskip("transformers")
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    kept = {}
    for name in STAGES:
        stage = whole[name]
        inner = stage.get("do", stage)
        inner["deps"] = [path for path in inner["deps"] if path.startswith("data/")]
        kept[name] = stage
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}, sort_keys=False))
    (tmp_path / "params.yaml").write_text(
        "corpora:\n  tones:\n    corpus: table\n    root: data/tones/raw\n    augment: {}\n    finetune: {epochs: 1, batch: 12}\n"
        "    predict: {}\n    evaluate: {}\n"
        "matrix: {corpora: [], sources: [human], dime_aug: ['on']}\nseed: 0\n"
    )
    (tmp_path / ".gitignore").write_text(".ambivox/\n")
    init_repository(tmp_path)

    data = tmp_path / "data/tones"
    (data / "made").mkdir(parents=True)
    made = tone_corpus(data / "made")
    (data / "ingest").mkdir()
    utterances, votes = Utterances.read(made.utterances), Votes.read(made.votes)
    utterances.write(data / "ingest/utterances.parquet")
    votes.write(data / "ingest/votes.parquet")
    Votes.check(votes.frame.clear(), LABELS).write(data / "ingest/heldout.parquet")
    (data / "made/distributions").rename(data / "distributions")
    ids = utterances.frame["utterance_id"].to_list()
    said_NK = np.random.default_rng(0).dirichlet(np.ones(len(LABELS)), len(ids))
    Annotations.check(annotation_frame(said_NK, ids), LABELS).write(data / "annotations/annotations.parquet")
    build_small_alm(data / "alm", LABELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.mark.timeout(600)
def test_a_corpus_enters_the_matrix_and_its_cell_is_trained_once(project: Path, prefect_server: None) -> None:
    from ambivox.flows.finetune_matrix import finetune_matrix
    from tests.flows.test_annotate_flow import artifacts

    assert finetune_matrix(project=str(project), corpora=("tones",)) == {"ran": 4, "up_to_date": 0}
    assert dict(params_file.load(project)["matrix"]) == {
        "corpora": ["tones"],
        "sources": ["human"],
        "dime_aug": ["on"],
    }
    rows = json.loads(artifacts("tones-matrix")[-1].data)
    assert {row["model"] for row in rows} >= {"human-on", "zero-shot", "prior", "ceiling"}
    finite = [row["nll"] for row in rows if "nll" in row]
    assert finite == sorted(finite) and rows[: len(finite)] == [row for row in rows if "nll" in row]
    trained = next(row for row in rows if row["model"] == "human-on")
    assert {"js", "bc", "accuracy", "f1_macro", "ece", "nll", "squared_error", "95 % of nll"} <= set(trained)
    predicted = pl.read_parquet(project / "data/tones/predictions/human-on.parquet")
    assert predicted.height == 12
    assert artifacts("tones-finetune-human-on")[-1].data.count("data:image/svg+xml;base64,") == 1

    assert finetune_matrix(project=str(project)) == {"ran": 0, "up_to_date": 4}


def test_a_corpus_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    from ambivox.flows.finetune_matrix import extend_matrix

    params = tmp_path / "params.yaml"
    params.write_text("corpora: {tones: {}}\nmatrix: {corpora: [], sources: [], dime_aug: []}\n")
    before = params.read_bytes()
    with pytest.raises(UserError, match=r"unknown corpus 'other'; params.yaml has: tones"):
        extend_matrix(tmp_path, ("other",), (), ())
    assert params.read_bytes() == before
