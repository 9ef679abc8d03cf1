"""Models that were fitted with data of people who were forgotten since: they are not used until they are fitted again."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.files import write_json

_NOTE = "withdrawn.json"


def withdraw(folder: Path) -> None:
    """Note in a model's folder that it must not be used; fitting it again replaces the folder.

    Args:
        folder: The folder of the model.
    """
    write_json(folder / _NOTE, {"reason": "fitted with data that was forgotten since; fit it again"})


def is_withdrawn(folder: Path) -> bool:
    """Tell whether a model must not be used.

    Args:
        folder: The folder of the model, which need not exist.
    """
    return (folder / _NOTE).is_file()


def check_not_withdrawn(folder: Path) -> None:
    """Refuse a model that must not be used.

    Args:
        folder: The folder of the model; anything else is accepted.

    Raises:
        UserError: It was fitted with data that was forgotten since.
    """
    if is_withdrawn(folder):
        raise UserError(
            f"{folder}: this model was fitted with data of people who were forgotten since; fit it again (ambivox run)"
        )
