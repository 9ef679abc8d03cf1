"""The files that DVC reads: damage is named before DVC meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.dvc_files import LockFile, check_documents, document_faults, read_document
from ambivox.models.errors import UserError
from ambivox.models.forgetting.held_elsewhere import earlier_outputs

DAMAGES = {
    "list": b"- a\n",
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


@pytest.mark.parametrize("name", ["dvc.yaml", "dvc.lock"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line_that_says_how_to_restore_it(
    tmp_path: Path, name: str, damage: str
) -> None:
    (tmp_path / name).write_bytes(DAMAGES[damage])
    with pytest.raises(UserError, match=rf"{name}: .*expected .*git checkout {name}") as caught:
        check_documents(tmp_path)
    assert len(str(caught.value)) < 900


def test_settings_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_bytes(b"[core]\n\xff\n")
    (tmp_path / "dvc.lock").write_text("[]")
    assert len(list(document_faults(tmp_path))) == 2


def test_missing_and_empty_files_have_no_stages(tmp_path: Path) -> None:
    check_documents(tmp_path)
    for name in ("dvc.yaml", "dvc.lock"):
        (tmp_path / name).write_text("# nothing\n")
    check_documents(tmp_path)
    assert read_document(tmp_path / "dvc.lock", LockFile, "what the stages wrote").stages == {}


def test_what_a_cache_holds_is_not_guessed_from_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("stages: 3\n")
    with pytest.raises(UserError, match=r"dvc\.lock"):
        earlier_outputs(tmp_path, ["demo"])
    (tmp_path / "dvc.lock").unlink()
    assert earlier_outputs(tmp_path, ["demo"]) == []
