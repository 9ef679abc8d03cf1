"""A model that was fitted with data that is forgotten is refused by every step that would use it, until it is fitted again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder
from ambivox.models.withdrawn import check_not_withdrawn, is_withdrawn, withdraw
from tests.support.steps import annotate, finetune, predict


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "config.json").write_text("{}")
    withdraw(tmp_path / "model")
    return tmp_path / "model"


def test_steps_refuse_it(model: Path, tmp_path: Path) -> None:
    tables = {"utterances": tmp_path / "u.parquet", "out": tmp_path / "out"}
    message = "fitted with data of people who were forgotten since"
    with pytest.raises(UserError, match=message):
        annotate(alm=str(model), engine="fake", **tables)
    with pytest.raises(UserError, match=message):
        finetune(alm=str(model), distributions=tmp_path / "d.parquet", dime_aug="off", **tables)
    with pytest.raises(UserError, match=message):
        predict(model=model, **tables)


def test_fitting_it_again_lifts_that(model: Path, tmp_path: Path) -> None:
    assert is_withdrawn(model)
    with atomic_folder(model) as folder:
        (folder / "config.json").write_text("{}")
    check_not_withdrawn(model)
    check_not_withdrawn(tmp_path / "absent")
