"""Names, colours and order of the sources, and the table of sources in the terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from ambivox.models.reporting.source_names import (
    PALETTE,
    SOURCE_NAMES,
    source_colour,
    source_label,
    source_order,
)
from ambivox.models.reporting.sources_table import sources_table
from ambivox.models.tables import BASELINES, SOURCES


def test_the_sources_come_first_then_the_references() -> None:
    assert tuple(SOURCE_NAMES) == ("human", *BASELINES, *SOURCES[1:], "prior", "ceiling", "floor")
    assert [name.label for name in SOURCE_NAMES.values() if name.is_reference] == [
        "corpus prior",
        "human ceiling",
        "floor",
    ]
    assert sorted(["other", "ceiling", "pooled", "human"], key=source_order) == [
        "human",
        "pooled",
        "ceiling",
        "other",
    ]


def test_colours_differ_and_rows_of_the_matrix_have_that_of_their_source() -> None:
    assert len({name.colour for name in SOURCE_NAMES.values()}) == len(SOURCE_NAMES)
    assert source_colour("pooled-on") == SOURCE_NAMES["pooled"].colour
    assert source_colour("unknown") == PALETTE[-1]
    assert source_label("pooled-on") == "pooled-on" and source_label("ceiling") == "human ceiling"


def test_the_table_of_sources_has_the_references_beside_them() -> None:
    metrics: dict[str, Any] = {
        "human": {
            "nll": None,
            "nll_infinite": 7,
            "squared_error": -0.0004,
            "js": 0.228,
            "js_low": 0.219,
            "js_high": 0.236,
            "bc": 0.8,
            "accuracy": 0.61,
        },
        "pooled": {
            "nll": 1.24,
            "nll_low": 1.21,
            "nll_high": 1.27,
            "js": {"value": 0.16, "low": 0.152, "high": 0.169},
            "bc": 0.87,
            "accuracy": 0.72,
        },
        "ceiling": {"js": 0.118, "bc": None, "accuracy": 0.78},
        "prior": {"js": 0.317},
        "synthetic": None,
        "made_up": {"js": 0.0},
    }
    written = io.StringIO()
    Console(file=written, width=100).print(sources_table(metrics, "unit: test speakers"))
    lines = [line.split() for line in written.getvalue().splitlines()]
    text = written.getvalue()
    assert "unit: test speakers" in text and "made_up" not in text and "synthetic" not in text
    order = [text.index(label) for label in ("human ", "pooled ", "corpus prior", "human ceiling")]
    assert order == sorted(order)
    assert any({"1.240", "[1.210,", "1.270]", "0.160", "0.870", "72.0%"} <= set(line) for line in lines)
    assert any({"ceiling", "0.118", "–", "78.0%"} <= set(line) for line in lines)
    assert any({"human", "∞", "-0.000", "0.228"} <= set(line) for line in lines)
