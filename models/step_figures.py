"""JSON files that steps write and later steps read back: what each holds, checked whoever reads it.

They may have been damaged, or edited by hand. Files of earlier versions lack keys or have other names for them; further keys
are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.json_documents import read_json_document

_Mapping = dict[str, Any]
_Rows = dict[str, _Mapping]


class _Profile(BaseModel):
    label_prior: _Mapping | None = None
    notes: list[str] | None = None
    licence: str | None = None
    audio_may_be_shared: bool | None = None


class _Checks(BaseModel):
    alm: str = ""
    audio_sensitive: bool | None = None
    hears: bool | None = None
    canary: _Mapping | None = None
    modalities: _Mapping | None = None
    hosted: _Mapping | None = None


class _Pooling(BaseModel):
    alms: _Rows = {}


class _Details(BaseModel):
    paired_tests: list[_Mapping] = []
    tertiles: _Mapping = {}
    saturation: _Mapping = {}
    per_group: _Mapping = {}


class _Trial(BaseModel):
    rows: list[_Mapping] = []
    worth: _Mapping = {}


class _Augmentation(BaseModel):
    before: dict[str, float] = {}
    after: dict[str, float] = {}


# File name -> the step that writes it, and its type.
_KNOWN: dict[str, tuple[str, TypeAdapter[Any]]] = {
    "profile.json": ("ingest", TypeAdapter(_Profile)),
    "checks.json": ("annotate", TypeAdapter(_Checks)),
    "pooling.json": ("pool", TypeAdapter(_Pooling)),
    "metrics.json": ("validate or evaluate", TypeAdapter(_Rows)),
    "details.json": ("validate", TypeAdapter(_Details)),
    "trial.json": ("trial", TypeAdapter(_Trial)),
    "augmentation.json": ("augment", TypeAdapter(_Augmentation)),
}
_CONTENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def read_step_figures(path: Path) -> dict[str, Any]:
    """Read a JSON file that a step wrote.

    Args:
        path: The file; its name says what it holds.

    Returns:
        Its content.

    Raises:
        UserError: It cannot be read, or holds something else.
    """
    step, document = _KNOWN.get(path.name, ("an earlier step", _CONTENT))
    expected, advice = f"what {step} wrote", "run that step again"
    content = read_json_document(path, _CONTENT, expected, advice)
    try:
        document.validate_python(content)
    except ValidationError as error:
        raise UserError(f"{path}: expected {expected}, {describe(error)}; {advice}") from error
    return content
