"""The long form: faults are kept, a stopped campaign continues, and the input of a case that ended its process is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from tests.fuzzing.__main__ import _note_end
from tests.fuzzing.campaign import Parser
from tests.fuzzing.case_record import Case, CaseRecord
from tests.fuzzing.long_form import Progress, run_turns


def read(content: bytes, _folder: Path) -> None:
    """Parse JSON; other content is refused, and a list is a fault."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError("no JSON") from error
    if isinstance(value, list):
        raise TypeError("a list")


def campaign(folder: Path, cases: int) -> Progress:
    (folder / "files").mkdir(exist_ok=True)
    parsers = {"json": Parser(read, (b"[1]", b'{"a": 1}'))}
    run_turns(parsers, cases, 60.0, 0, folder / "out", folder / "files", CaseRecord(folder / "case"))
    return Progress.read(folder / "out", "json")


def test_faults_are_kept_and_a_campaign_continues(tmp_path: Path) -> None:
    first = campaign(tmp_path, 100)
    assert first.cases == 100 and 0 < first.refused < 100
    ((kind, count),) = first.faults.items()
    assert kind.startswith("TypeError: ") and count > 0
    (kept,) = (path for path in (tmp_path / "out/json").iterdir() if not path.suffix)
    assert isinstance(json.loads(kept.read_bytes()), list)

    second = campaign(tmp_path, 150)
    assert second.cases == 150
    assert second.faults[kind] > count
    assert CaseRecord(tmp_path / "case").read().parser == -1


def test_the_input_of_a_case_that_ended_the_process_is_kept(tmp_path: Path) -> None:
    record = CaseRecord(tmp_path / "case")
    record.write(Case(1, 41, 7.0, b"a content"))
    _note_end(CaseRecord(tmp_path / "case"), ["a", "b"], -11, tmp_path / "out")
    progress = Progress.read(tmp_path / "out", "b")
    assert (progress.cases, progress.faults) == (42, {"the process ended with -11": 1})
    (kept,) = (path for path in (tmp_path / "out/b").iterdir() if not path.suffix)
    assert kept.read_bytes() == b"a content"


def test_an_end_outside_a_case_is_no_finding(tmp_path: Path) -> None:
    record = CaseRecord(tmp_path / "case")
    record.write(Case(-1, 0, 7.0, b""))
    with pytest.raises(SystemExit, match="outside a case"):
        _note_end(record, ["a"], 1, tmp_path)
