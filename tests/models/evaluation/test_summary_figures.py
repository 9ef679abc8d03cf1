"""The few figures for ``dvc metrics show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.evaluation.summary_figures import figures_of_models, figures_of_sources, read_worth


def test_of_a_validation() -> None:
    sources = ("human", "human_prior", "human_mixture", "synthetic", "combined", "pooled", "prior", "ceiling")
    rows = {
        source: {"nll": 1.2, "squared_error": 0.1, "js": 0.2, "js_low": 0.1, "bc": 0.8, "accuracy": 0.5}
        for source in sources
    }
    figures = figures_of_sources(rows, {"tiny": 5.9, "mute": None})
    assert figures["nll_pooled"] == 1.2
    assert figures["worth_nll_tiny"] == 5.9
    assert len(figures) == 10


def test_undefined_figures_are_left_out() -> None:
    rows = {
        "human": {"nll": float("inf"), "squared_error": float("nan"), "js": 0.1234567891},
        "pooled": {"nll": None, "js": 0.1},
    }
    assert figures_of_sources(rows, {}) == {"js_human": 0.123457, "js_pooled": 0.1}
    models = {"human-on": {"nll": 1.2}, "pooled-off": {"js": 0.1}, "zero-shot": {"nll": float("inf")}}
    assert figures_of_models(models) == {"nll_human-on": 1.2}


def test_worth_is_read_from_what_pool_wrote(tmp_path: Path) -> None:
    assert read_worth(tmp_path) == {}
    rates = {"votes": 2, "nll": {"overall": {"value": 5.9, "low": 4.0}}, "squared_error": None}
    alms = {
        "tiny": {"worth": rates},
        "mute": {"worth": None},
        "few": {"worth": {"nll": {"overall": {"value": None}}}},
    }
    (tmp_path / "pooling.json").write_text(json.dumps({"alms": alms}))
    assert read_worth(tmp_path) == {"tiny": 5.9, "mute": None, "few": None}


@pytest.mark.parametrize(
    "content", ["", "[]", "null", '{"alms": 3}', '{"alms": {"tiny": {"worth": {"nll": [1]}}}}']
)
def test_a_damaged_file_of_pool_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "pooling.json").write_text(content)
    with pytest.raises(UserError, match=r"pooling.json: expected what pool wrote, .+"):
        read_worth(tmp_path)
