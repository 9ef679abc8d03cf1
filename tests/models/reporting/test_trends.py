"""The picture of a corpus's runs: whole numbers at its axis of runs, however few there are."""

from __future__ import annotations

import pytest

from ambivox.models.reporting.figures.trends import trends_figure


@pytest.mark.parametrize("runs", [1, 2, 3, 7, 30, 200])
def test_runs_have_whole_numbers(runs: int) -> None:
    rows = [
        {"ALM": ("one", "other")[run % 2], "nll pooled": 1 + 1 / run, "cost (USD)": None}
        for run in range(1, runs + 1)
    ]
    figure = trends_figure(rows)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) for tick in ticks), ticks
