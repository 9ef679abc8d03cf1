"""The card of an earlier release: whatever version of this software wrote it, it is read, or named in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.releases.released_card import released_before

NOW: dict[str, Any] = {
    "files": {"a.parquet": "0" * 64},
    "licence": "MIT",
    "date": "2026-02-02",
    "metrics": {},
}


def test_a_card_with_the_files_alone_takes_all_else_from_the_present_outputs(tmp_path: Path) -> None:
    path = tmp_path / "calls-v1.json"
    write_json(path, {"files": NOW["files"], "metrics": ["of an earlier form"]})
    assert released_before(path, "calls-v1", NOW) == NOW
    write_json(path, {"files": NOW["files"], "licence": "CC BY 4.0", "date": "2025-01-01", "revision": "abc"})
    stated = {"licence": "CC BY 4.0", "date": "2025-01-01", "revision": "abc"}
    assert released_before(path, "calls-v1", NOW) == NOW | stated


@pytest.mark.parametrize(
    "content", ["", "{half", "null", "[]", "{}", '{"files": []}', '{"files": {"a": 3}}', "[" * 100_000]
)
def test_a_damaged_card_is_one_line_that_says_where_to_get_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "calls-v1.json"
    path.write_text(content)
    with pytest.raises(
        UserError, match=r"calls-v1\.json: expected the card of a release, .*git checkout calls-v1 -- "
    ):
        released_before(path, "calls-v1", NOW)


def test_other_outputs_are_another_release(tmp_path: Path) -> None:
    path = tmp_path / "calls-v1.json"
    write_json(path, {"files": {"a.parquet": "1" * 64}})
    with pytest.raises(UserError, match="released already"):
        released_before(path, "calls-v1", NOW)
