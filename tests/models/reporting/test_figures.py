"""Figures: the shared style, equal bytes for equal data, and values that are not defined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.annotation import checks_figure
from ambivox.models.reporting.figures.augmentation import class_balance_figure
from ambivox.models.reporting.figures.bars import grouped_bars
from ambivox.models.reporting.figures.evaluation import (
    calibration_figure,
    confusion_figure,
    matrix_figure,
    speaker_groups_figure,
    tertiles_figure,
)
from ambivox.models.reporting.figures.finetuning import training_curves_figure
from ambivox.models.reporting.figures.profile import profile_figure
from ambivox.models.reporting.figures.style import new_figure, save
from ambivox.models.reporting.figures.trial import squared_error_ratio_figure
from ambivox.models.reporting.parts import pictures
from ambivox.models.reporting.reading import Run
from tests.support.report_run import PROFILE

HOSTILE_LABEL = "$\\frac{x}\x1b"
ROW = {"js": 0.2, "js_low": 0.1, "js_high": 0.3, "nll": 1.2, "nll_low": 1.1, "nll_high": 1.3}
ROW |= {f"nll_{tertile}_ambiguity": 1.2 for tertile in ("low", "medium", "high")}
METRICS = {"human-on": ROW, "pooled-off": ROW, "prior": ROW, "ceiling": {"js": 0.15}, "floor": {"nll": 1.0}}
METRICS |= {"votes": {"js": 0.3, "nll_infinite": 3}, "of an earlier version": {"js": 0.3}}
PAPER = {"IEMOCAP": {"human": {"js": 0.302}}}
ESTIMATE = {"value": 0.9, "low": 0.8, "high": 1.0}
TRIAL_ROW = {
    "votes": 1,
    "squared_error_over_human": ESTIMATE,
    "independent_votes": {
        tertile: {"squared_error_over_human": ESTIMATE} for tertile in ("low", "medium", "high")
    },
}
CHECKS = {
    "canary": {"js": 0.3, "threshold_js": 0.005},
    "order_bias": {"js": None, "positions": [0.4, 0.6]},
    "arms": {"js": {"audio / both": 0.1}},
}
BALANCE = {"before": {"sad": 5, HOSTILE_LABEL: 9}, "after": {"sad": 7, HOSTILE_LABEL: 9}, "target": 7}
BALANCE |= {"ratio": 0.8, "classes": "dominant", "samples": 2}
CURVES = [{"epoch": epoch, "loss": 1.0, "development_js": 0.3} for epoch in (1.0, 2.0)]
GROUPS = pl.DataFrame({"kind": ["sex"], "group": [HOSTILE_LABEL], "model": ["pooled-off"], "nll": [1.2]})
CURVE = pl.DataFrame({"model": ["pooled-off"], "confidence": [0.5], "accuracy": [0.6]})
DRAWN: dict[str, Callable[[], Figure | None]] = {
    "checks": lambda: checks_figure(CHECKS, ("a", "b")),
    "class balance": lambda: class_balance_figure(BALANCE),
    "matrix": lambda: matrix_figure(METRICS, PAPER),
    "tertiles": lambda: tertiles_figure(METRICS),
    "calibration": lambda: calibration_figure(CURVE, ["pooled-off"]),
    "confusion": lambda: confusion_figure([[3, 1], [0, 0]], ("sad", HOSTILE_LABEL), "pooled-off"),
    "speaker groups": lambda: speaker_groups_figure(GROUPS, ["pooled-off"]),
    "training curves": lambda: training_curves_figure(CURVES, 2),
    "profile": lambda: profile_figure(PROFILE),
    "trial with few votes": lambda: squared_error_ratio_figure(
        [TRIAL_ROW | {"source": "pooled", "independent_votes": None}]
    ),
    "trial": lambda: squared_error_ratio_figure(
        [TRIAL_ROW | {"source": "human"}, TRIAL_ROW | {"source": "pooled"}]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_equal_data_give_equal_bytes_in_the_shared_style(tmp_path: Path, name: str) -> None:
    draw = DRAWN[name]
    paths = [tmp_path / file for file in ("1.svg", "2.svg")]
    for path in paths:
        save(draw(), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second and first.startswith(b"<?xml")
    figure = draw()
    assert figure is not None
    for axes in figure.axes:
        assert axes.get_title(loc="left") and not axes.get_title(loc="center")
        assert axes.get_xlabel()


NOTHING = {
    "no held-out votes": lambda: tertiles_figure({"human-on": {"js": 0.2}}),
    "no models": lambda: calibration_figure(CURVE, []),
    "no speaker groups": lambda: speaker_groups_figure(GROUPS.clear(), ["pooled-off"]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_picture_is_written_where_there_is_nothing_to_draw(tmp_path: Path, name: str) -> None:
    save(NOTHING[name](), tmp_path / "none.svg")
    assert not list(tmp_path.iterdir())


def test_undefined_values_are_drawn_as_zero() -> None:
    _, (axes,) = new_figure()
    undefined = {"value": None, "low": None, "high": None}
    grouped_bars(axes, ["a", "b"], {"human": [ESTIMATE, undefined], "ceiling": [undefined, ESTIMATE]})
    assert [bar.get_height() for bar in axes.patches] == [0.9, 0, 0, 0.9]
    assert axes.get_legend_handles_labels()[1] == ["human", "human ceiling"]


def test_pictures_have_captions_and_come_in_reading_order(tmp_path: Path) -> None:
    folder = tmp_path / "distributions"
    (folder / "inner").mkdir(parents=True)
    for name in ("examples", "worth", "equivalent_votes", "my-drawing", "inner/calibration"):
        save(new_figure(width=9.0 if name == "examples" else 6.0)[0], folder / f"{name}.svg")
    (folder / "pooling.json").write_text("{}")
    found = pictures(Run(tmp_path), "distributions")
    assert [picture.caption for picture in found] == [
        "Worth of each ALM in human votes, overall and by ambiguity, with intervals",
        "Equivalent votes of each ALM, overall and by ambiguity",
        "Calibration of the ALM: points on the dashed line mean that a predicted probability is the share of human votes "
        "(inner)",
        "Distributions of example utterances by every source, from least to most ambiguous",
        "My drawing",
    ]
    assert [picture.wide for picture in found] == [False, False, False, True, False]
    assert pictures(Run(tmp_path), "missing") == []


@pytest.mark.parametrize("seed", range(4))
def test_values_of_interval_plots_are_beside_markers_and_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {}
    for name in ("human-on", "pooled-on", "pooled-off", "synthetic-on", "zero-shot", "prior"):
        nll, js, half = rng.uniform(0.9, 1.7), rng.uniform(0.05, 0.6), rng.uniform(0.01, 0.4)
        rows[name] = {"nll": nll, "nll_low": nll - half, "nll_high": nll + half}
        rows[name] |= {"js": js, "js_low": max(js - half, 0), "js_high": js + half}
    figure = matrix_figure(rows)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for axes in figure.axes:
        values = [text.get_window_extent(renderer) for text in axes.texts]
        drawn = [line.get_window_extent(renderer).padded(line.get_markersize() / 2) for line in axes.lines]
        assert len(values) == len(rows) and len(drawn) >= 2 * len(rows)
        assert not any(value.overlaps(line) for value in values for line in drawn)
        other_axes = [other.bbox for other in figure.axes if other is not axes]
        assert not any(value.overlaps(box) for value in values for box in other_axes)
        assert not any(a.overlaps(b) for place, a in enumerate(values) for b in values[place + 1 :])
