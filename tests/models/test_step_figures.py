"""JSON files that steps read back: what has another shape is named, whichever step reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.augmentation.mixed_samples import read as read_mixed_samples
from ambivox.models.errors import UserError
from ambivox.models.evaluation.predictions import distribution_files
from ambivox.models.step_figures import read_step_figures

NAMES = ("profile", "checks", "pooling", "metrics", "details", "trial", "augmentation", "training")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", ["", "null", "[]", "3", '"a"', '{"a": [1, ', "[" * 100_000, "\0" * 9])
def test_no_object_is_one_line_that_says_what_to_run(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"{name}\.json: expected what .* wrote, .*; run that step again$"):
        read_step_figures(path)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("profile", '{"label_prior": [1]}', "label_prior"),
        ("checks", '{"hears": "sometimes"}', "hears"),
        ("pooling", '{"alms": {"tiny": 3}}', "alms.tiny"),
        ("metrics", '{"pooled": [1]}', "pooled"),
        ("details", '{"tertiles": 3}', "tertiles"),
        ("trial", '{"rows": {}}', "rows"),
        ("augmentation", '{"after": {"anger": "many"}}', "after.anger"),
    ],
)
def test_the_place_of_a_wrong_value_is_named(tmp_path: Path, name: str, content: str, place: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"at {place}: Input should be "):
        read_step_figures(path)
    path.write_text('{"of a later version": 1}' if name != "metrics" else '{"of a later version": {}}')
    assert list(read_step_figures(path)) == ["of a later version"]


def test_a_damaged_file_of_a_folder_is_noticed_by_those_who_read_its_tables(tmp_path: Path) -> None:
    (tmp_path / "human.parquet").write_bytes(b"")
    for name in ("augmentation.json", "pooling.json"):
        (tmp_path / name).write_text("null")
    with pytest.raises(UserError, match=r"augmentation\.json: expected what augment wrote"):
        read_mixed_samples(tmp_path)
    with pytest.raises(UserError, match=r"pooling\.json: expected what pool wrote"):
        distribution_files(tmp_path)
