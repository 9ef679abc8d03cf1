"""Running the step annotate with the fake engine, and reading what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.engines import EngineChoice, open_engine
from ambivox.models.engines.fake import FakeEngine
from ambivox.models.tables import Annotations
from tests.support.steps import annotate

ALL_SPLITS = ("train", "test")


@pytest.fixture
def fresh_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine of another test is open; the vLLM engine of the test session stays as it is."""
    monkeypatch.setattr("ambivox.models.engines._started", {})


@pytest.fixture
def run_annotate(tmp_path: Path, fresh_engine: None) -> Callable[..., Path]:
    """``run_annotate(utterances, name, **options)`` annotates with the fake engine into the folder ``name``."""

    def call(utterances: Path, name: str = "out", **options: Any) -> Path:
        defaults = {"alm": "qwen2_audio", "engine": "fake", "store": str(tmp_path / "store"), "shard": 4}
        defaults |= {"orders": 2}  # two suffice for most tests
        return annotate(utterances=utterances, out=tmp_path / name, **(defaults | options))

    return call


def scored_prompts() -> int:
    """The number of prompts that the fake engine of this process has scored."""
    engine = open_engine(EngineChoice("fake", "qwen2_audio"))
    assert isinstance(engine, FakeEngine)
    return engine.scored


def read_annotations(out: Path) -> Annotations:
    """The annotations that the step wrote."""
    return Annotations.read(out / "annotations.parquet")


def read_checks(out: Path) -> dict[str, Any]:
    """The checks that the step wrote."""
    return json.loads((out / "checks.json").read_text())
