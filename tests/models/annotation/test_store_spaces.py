"""The spaces of a store: equal ones are continued, ones that nearly agree in what is measured, too; others are named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ambivox.models.alms import resolve
from ambivox.models.annotation.store_spaces import PROBE_TOLERANCE, open_space, spaces, unused
from ambivox.models.annotation.work_items import store_space
from ambivox.models.engines import PROBE, EngineChoice, engine_identity

SPACE = {"alm": "a", "revision": "r", "engine": "e 1", "engine_identity": {}}


def measured(*values: float, **changes: Any) -> dict[str, Any]:
    return SPACE | {"engine_identity": {"model": "m", PROBE: [list(values)]}} | changes


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path, monkeypatch):
    if request.param == "local":
        return str(tmp_path / "store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    return "s3://ambivox/spaces"


def test_a_space_whose_probe_nearly_agrees_is_continued(root):
    first = open_space(root, measured(-0.5, -1.0))
    again = open_space(root, measured(-0.5 + 0.9 * PROBE_TOLERANCE, -1.0 - 3e-6))
    assert again.name == first.name and again.space == first.space
    for other in (
        measured(-0.5 + 2 * PROBE_TOLERANCE, -1.0),
        measured(-0.5, -1.0, revision="r2"),
        measured(-0.5, -1.0, engine="e 2"),
        measured(-0.5),
        SPACE | {"engine_identity": {"model": "n", PROBE: [[-0.5, -1.0]]}},
        SPACE | {"engine_identity": {"model": "m", PROBE: "x"}},
    ):
        assert open_space(root, other).name != first.name


def test_tokens_that_a_model_never_gives_do_not_count(root):
    first = open_space(root, measured(-0.5, -30.0))
    assert open_space(root, measured(-0.5, -45.0)).name == first.name
    assert open_space(root, measured(-0.5, -11.0)).name != first.name


def test_answers_under_other_settings_are_named(root):
    open_space(root, SPACE).describe()
    open_space(root, SPACE | {"engine": "e 2", "answers": 1}).describe()
    open_space(root, SPACE | {"revision": "other"}).describe()
    assert unused(root, SPACE) == ["answers, engine"]
    assert unused(root, SPACE | {"alm": "b"}) == []


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_description_is_left_out(tmp_path, content):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "space.json").write_bytes(content)
    assert list(spaces(str(tmp_path))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"chat_arguments": {"enable_thinking": False}},
        {"engine_arguments": {"dtype": "float16"}},
        {"processor_class": "Other"},
        {"transformers_class": "Other"},
        {"longest_seconds": 10.0},
        {"rate_hz": 8_000},
    ],
)
def test_every_part_of_the_specification_decides(change, monkeypatch):
    resolved = resolve("qwen2_audio")
    changed = replace(resolved, alm=replace(resolved.alm, **change))
    choice = EngineChoice("vllm", "qwen2_audio")
    before = store_space(resolved, "v", engine_identity(choice))
    monkeypatch.setattr("ambivox.models.engines.vllm.arguments.resolve", lambda _: changed)
    assert store_space(changed, "v", engine_identity(choice)) != before


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_an_identity_names_libraries_and_precision_and_is_json(engine):
    content = json.dumps(engine_identity(EngineChoice(engine, "qwen2_audio")), sort_keys=True)
    assert "dtype" in content and engine_identity(EngineChoice("fake", "qwen2_audio")) == {}
    assert json.loads(content) == engine_identity(EngineChoice(engine, "qwen2_audio"))
