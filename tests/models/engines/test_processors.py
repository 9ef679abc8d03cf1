"""A machine on which vLLM cannot ask for the cores is named in one line, before vLLM starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.engines.vllm.processors import check_processors
from ambivox.models.errors import UserError


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo 'lscpu: cannot open /sys/devices/system/cpu/possible: No such file' >&2; exit 1", "cannot open /sys"),
        ("echo '{}'", "no cores"),
        ("exit 0", "no cores"),
        (None, "no such command"),
    ],
)  # fmt: skip
def test_why_there_are_no_cores_is_said(
    answer: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is not None:
        command = tmp_path / "lscpu"
        command.write_text(f"#!/bin/sh\n{answer}\n")
        command.chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}")
    with pytest.raises(UserError, match="use --engine transformers") as caught:
        check_processors()
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("node", ["0", "-"])
def test_cores_may_have_no_node(node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "lscpu"
    command.write_text(f'#!/bin/sh\necho \'{{"cpus": [{{"cpu": 0, "core": 0, "node": {node}}}]}}\'\n')
    command.chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    check_processors()
