"""Every row of benchmarks/RESULTS.md works on small inputs with equal results, and the page says what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.registry import keys
from benchmarks import harness
from benchmarks import rows as row_modules
from benchmarks.harness import measure, row_named
from benchmarks.results_page import page


@pytest.mark.parametrize("name", keys(row_modules))
def test_the_methods_of_a_row_agree(name: str, tmp_path: Path) -> None:
    row = row_named(name)
    assert set(row.targets) < set(row.methods)
    row.write_inputs(tmp_path, 0.02 if row.items < 1_000_000 else 0.002)
    results = {name: method.load(tmp_path)() for name, method in row.methods.items()}
    assert all(results[name] for name, method in row.methods.items() if method.is_floor)
    first, *others = (
        method.array(results[name]) for name, method in row.methods.items() if not method.is_floor
    )
    assert others
    for other in others:
        assert 0 < len(other) <= len(first)
        assert np.abs(first[: len(other)] - other).max() <= row.tolerance


def test_a_row_is_measured_in_processes_of_its_own(tmp_path: Path) -> None:
    result = measure("metrics", tmp_path, scale=0.002, rounds=1)
    ours, scipy = result["methods"]["ours"], result["methods"]["scipy"]
    assert result["items"] == 2_000 and result["difference"] < 1e-12
    assert 0 < ours["processor"] < scipy["processor"]
    assert result["ratios"]["scipy"]["processor"]["median"] == scipy["processor"] / ours["processor"]
    assert ours["mib"] > 20
    text = page({"metrics": result})
    assert "| metrics | scipy | " in text and "| at least 200 | " in text and "scaled up from 1.000%" in text
    assert harness._machine()["versions"]["numpy"] in text


def test_different_results_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_result(name: str, method: str, folder: Path) -> tuple[float, float, float]:
        np.save(folder / f"result of {method}.npy", np.array([0.5 if method == "ours" else 0.6]))
        return 1.0, 1.0, 1.0

    monkeypatch.setattr(harness, "_in_child", other_result)
    with pytest.raises(AssertionError, match=r"results differ by 0\.1"):
        measure("metrics", tmp_path, scale=0.001, rounds=2)


def test_a_method_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"metrics, absent: [\s\S]*KeyError"):
        harness._in_child("metrics", "absent", tmp_path)
    with pytest.raises(UserError, match="absent"):
        row_named("absent")


@pytest.mark.parametrize(("ratio", "verdict"), [(300.0, "met"), (50.0, "missed: 25% of it")])
def test_the_page_says_whether_a_target_is_met(ratio: float, verdict: str) -> None:
    spread = {"median": ratio, "low": ratio, "high": ratio}
    figures: dict[str, Any] = {
        "says": "x",
        "share": 1.0,
        "seconds": 1.0,
        "seconds_mad": 0.1,
        "processor": 1.0,
        "mib": 1.0,
    }
    row = {
        "title": "work", "scale": 1.0, "items": 10, "rounds": 1, "difference": 0.0, "tolerance": 0.0, "most_mib": None,
        "targets": {"other": 200.0}, "methods": {"ours": figures, "other": figures},
        "ratios": {"other": {"processor": spread, "seconds": spread, "mib": 2.0}},
        "machine": {"date": "2026-01-01", "python": "3.11", "versions": {}},
    }  # fmt: skip
    assert f"| {verdict} |" in page({"row": row})
