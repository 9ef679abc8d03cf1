"""dvc.lock: damage is named, and is not taken for a project that has written nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.dvc_files import read_lock_file
from ambivox.models.errors import UserError
from ambivox.models.forgetting.held_elsewhere import earlier_outputs

DAMAGES = {
    "list": b"- a\n",
    "empty list": b"[]\n",
    "number": b"1e400",
    "text": b"Dear Ann, how are you",
    "tabs": b"a:\n\tb: 1\n",
    "cut off": b"stages:\n  pool@demo: {outs: [",
    "stages of text": b"stages: none\n",
    "a stage of text": b"stages:\n  pool@demo: yes\n",
    "not UTF-8": "stages: Grüße\n".encode("latin-1"),
    "UTF-16, cut off": "stages: {}\n".encode("utf-16")[:7],
    "zeros": bytes(100),
    "nested": b"[" * 100_000,
    "tag": b"!!python/object/apply:os.system [id]\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line_that_says_how_to_restore_it(tmp_path: Path, damage: str) -> None:
    (tmp_path / "dvc.lock").write_bytes(DAMAGES[damage])
    with pytest.raises(UserError, match=r"dvc\.lock: expected .*git checkout dvc\.lock") as caught:
        read_lock_file(tmp_path)
    assert len(str(caught.value)) < 900


def test_a_missing_or_empty_file_has_no_stages(tmp_path: Path) -> None:
    assert read_lock_file(tmp_path).stages == {}
    (tmp_path / "dvc.lock").write_text("# nothing\n")
    assert read_lock_file(tmp_path).stages == {}


def test_what_a_cache_holds_is_not_guessed_from_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("stages: 3\n")
    with pytest.raises(UserError, match=r"dvc\.lock"):
        earlier_outputs(tmp_path, ["demo"])
    (tmp_path / "dvc.lock").unlink()
    assert earlier_outputs(tmp_path, ["demo"]) == []
