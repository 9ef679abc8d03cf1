"""The few figures for ``dvc metrics show``."""

from __future__ import annotations

from ambivox.models.evaluation.summary_figures import summary_figures


def test_of_a_validation() -> None:
    sources = ("human", "synthetic", "combined", "pooled", "prior", "ceiling")
    rows = {
        source: {"nll": 1.2, "squared_error": 0.1, "js": 0.2, "js_low": 0.1, "bc": 0.8, "accuracy": 0.5}
        for source in sources
    }
    figures = summary_figures(rows, {"tiny": {"nll": 5.9, "squared_error": None}, "mute": {}})
    assert set(figures) == {
        *(f"{score}_{source}" for score in ("nll", "squared_error", "js") for source in sources),
        "bc_pooled",
        "accuracy_pooled",
        "worth_nll_tiny",
    }


def test_of_a_matrix_and_with_undefined_figures() -> None:
    rows = {
        "human-on": {"js": 0.1234567891, "bc": 0.9},
        "pooled-off": {"js": 0.1, "bc": None, "accuracy": 0.7},
        "zero-shot": {"missing": 5, "nll": float("inf")},
        "ceiling": {"js": float("nan")},
    }
    assert summary_figures(rows) == {
        "js_human-on": 0.123457,
        "js_pooled-off": 0.1,
        "accuracy_pooled-off": 0.7,
    }
