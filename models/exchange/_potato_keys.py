"""Keys of labels in Potato: with key bindings, it stores the key of a chosen label in place of the label or of ``true``.

The key is ``key_value`` of a label, or with ``sequential_key_binding`` the last digit of its number, so that the tenth label
is stored as ``"0"``, which elsewhere means that nothing was chosen. In config.yaml:

    annotation_schemes:
      - {name: emotion, annotation_type: radio, sequential_key_binding: true, labels: [anger, {name: joy, key_value: j}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ambivox.models.errors import UserError
from ambivox.models.yaml_documents import read_yaml_document

_NAMES = ("config.yaml", "config.yml")
_LEVELS = 3  # of folders: PROJECT/annotation_output/ANNOTATOR/user_state.json
_Text = str | int | float


class _Label(BaseModel):
    """A label with more than its name."""

    model_config = ConfigDict(extra="ignore")
    name: _Text
    key_value: _Text | None = None


class _Scheme(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="ignore")
    name: str = ""
    labels: list[_Label | _Text | None] | None = None
    sequential_key_binding: bool | None = None


class _Configuration(BaseModel):
    """A project's configuration, as far as it is read."""

    model_config = ConfigDict(extra="ignore")
    annotation_schemes: list[_Scheme] = Field(default_factory=list)


_CONFIGURATION: TypeAdapter[_Configuration] = TypeAdapter(_Configuration)


def configured_keys(path: Path, control: str) -> dict[str, str]:
    """Read the keys of labels from the configuration beside a result.

    Args:
        path: The project's folder, or a folder or file of its result.
        control: The name of the scheme with the labels.

    Returns:
        Key -> label; empty where there is no readable configuration, or it has no such scheme or keys.
    """
    start = path.absolute()
    folders = [start, *start.parents][: _LEVELS + 1]
    files = [folder / name for folder in folders for name in _NAMES if (folder / name).is_file()]
    if not files:
        return {}
    try:
        content = read_yaml_document(files[0], _CONFIGURATION, "Potato's configuration")
    except UserError:
        return {}  # another program's file
    schemes = [scheme for scheme in content.annotation_schemes if scheme.name == control]
    keys: dict[str, str] = {}
    for scheme in schemes[:1]:
        for number, label in enumerate(scheme.labels or [], 1):
            if isinstance(label, _Label) and label.key_value is not None:
                keys[str(label.key_value)] = str(label.name)
            elif label is not None and scheme.sequential_key_binding:
                keys[str(number % 10)] = str(label.name if isinstance(label, _Label) else label)
    return keys


def are_keys(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the stored values of a scheme are keys, where no configuration tells: a digit of its own for every label.

    Args:
        rows: Per annotator and item, the stored values by label.

    Returns:
        True where a 0 is a key: there are other digits than 0 and 1, or it is all that is stored for an item. Unchecked
        boxes are stored beside others.

    Example:
        >>> are_keys([{"anger": "1"}, {"calm": "0"}]), are_keys([{"anger": "1", "calm": "0"}])
        (True, False)
    """
    keys: dict[str, str] = {}
    is_zero_alone = False
    for row in rows:
        stored = {
            label: str(value).strip().removesuffix(".0")
            for label, value in row.items()
            if value not in (None, "")
        }
        for label, value in stored.items():
            if (
                not (value.isascii() and value.isdigit() and len(value) == 1)
                or keys.setdefault(label, value) != value
            ):
                return False
        is_zero_alone = is_zero_alone or list(stored.values()) == ["0"]
    is_distinct = len(set(keys.values())) == len(keys)
    return is_distinct and len(keys) > 1 and (is_zero_alone or not {*keys.values()} <= {"0", "1"})
