"""Every parser at the edge on damaged and hostile inputs: some random ones, and every input that was a fault once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing.campaign import Faults, run_campaign, run_case
from tests.fuzzing.findings import FINDINGS
from tests.fuzzing.parsers import PARSERS

CASES = 25  # `make fuzz` runs 100,000
# These start a library for seconds, or wait for a server.
SLOW = {
    "promotion-note",
    "run-records",
    "chat-template",
    "probe",
    "table-csv",
    "table-list",
    "table-preview",
    "table-workbook",
}


@pytest.mark.parametrize("name", PARSERS)
def test_valid_inputs_are_read(name: str, tmp_path: Path) -> None:
    """Otherwise the cases below would all be refused for one reason."""
    for content in PARSERS[name].seeds[:2]:
        try:
            PARSERS[name].read(content, tmp_path)
        except Exception as error:  # noqa: BLE001 - what a parser refuses on purpose
            assert name in {"adapter-config", "hosted-reply"}, error


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in SLOW])
def test_random_inputs_are_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    faults = run_campaign(PARSERS[name], CASES, seed=20260101, folder=tmp_path)
    assert faults.cases >= CASES // 2
    assert not faults.counts, faults.inputs


@pytest.mark.parametrize("number", range(len(FINDINGS)))
def test_what_was_a_fault_is_none(number: int, tmp_path: Path) -> None:
    name, content = FINDINGS[number]
    faults = Faults()
    run_case(PARSERS[name], content, tmp_path, faults)
    assert not faults.counts
