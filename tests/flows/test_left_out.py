"""Stages that a corpus has too little data for leave a note, and the stages after them carry on or are left out, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.flows.left_out import run_or_leave_out
from ambivox.flows.stage_arguments import StageCall
from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.left_out import left_out_reason
from ambivox.models.tables import Annotations, Distributions
from tests.support.tone_corpus import LABELS, tone_corpus


@pytest.fixture
def utterances(tmp_path: Path) -> Path:
    """A table of utterances."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    return tone_corpus(folder, per_split=(2, 1, 1)).utterances


def too_little(**_: object) -> None:
    raise TooLittleDataError("found 3 utterances, expected 20")


def never(**_: object) -> None:
    raise AssertionError("a step was run without what it needs")


def test_a_step_with_too_little_data_leaves_its_reason(utterances: Path, tmp_path: Path) -> None:
    out = tmp_path / "alm"
    run_or_leave_out(StageCall("pretrain", too_little, {"utterances": utterances, "out": out}))
    assert left_out_reason(out) == "found 3 utterances, expected 20"


def test_what_needs_a_left_out_step_is_left_out_for_the_same_reason(utterances: Path, tmp_path: Path) -> None:
    alm, annotations, model, table = (
        tmp_path / name for name in ("alm", "annotations", "model", "p/on.parquet")
    )
    run_or_leave_out(StageCall("pretrain", too_little, {"utterances": utterances, "out": alm}))
    arguments = {"utterances": utterances, "alm": str(alm)}
    run_or_leave_out(StageCall("annotate", never, arguments | {"out": annotations}))
    run_or_leave_out(StageCall("finetune", never, arguments | {"out": model}))
    run_or_leave_out(StageCall("predict", never, {"utterances": utterances, "model": model, "out": table}))
    assert left_out_reason(annotations) == left_out_reason(model) == left_out_reason(alm)
    answers = Annotations.read(annotations / "annotations.parquet")
    predictions = Distributions.read(table)
    assert (len(answers), answers.labels) == (0, LABELS)
    assert (len(predictions), predictions.labels) == (0, LABELS)


def test_a_validation_that_is_left_out_has_no_figures(utterances: Path, tmp_path: Path) -> None:
    out = tmp_path / "validation"
    run_or_leave_out(StageCall("validate", too_little, {"utterances": utterances, "out": out}))
    assert json.loads((out / "metrics.json").read_text()) == {}
    assert left_out_reason(out) == "found 3 utterances, expected 20"


def test_other_mistakes_stop_the_stage(utterances: Path, tmp_path: Path) -> None:
    def mistake(**_: object) -> None:
        raise UserError("a table is damaged")

    with pytest.raises(UserError, match="a table is damaged"):
        run_or_leave_out(StageCall("pool", mistake, {"utterances": utterances, "out": tmp_path / "out"}))
    assert not (tmp_path / "out").exists()


def test_a_step_that_succeeds_leaves_no_note(tmp_path: Path) -> None:
    done = []
    run_or_leave_out(StageCall("pool", lambda **arguments: done.append(arguments), {"out": tmp_path}))
    assert done == [{"out": tmp_path}]
    assert left_out_reason(tmp_path) is None
