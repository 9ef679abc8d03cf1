"""The card of a fine-tuned model (ambivox.json): what is needed to load and use it. Reading it does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.json_documents import read_json_document
from ambivox.models.prompting.prompts import Modality

CARD = "ambivox.json"


@dataclass(frozen=True)
class Card:
    """The content of the card.

    Attributes:
        labels: K labels, in the head's order.
        modality: Whether prompts contain the transcript.
        alm: Folder or key of the base ALM.
        alm_name: Name of the base ALM.
        alm_revision: Revision of the base ALM.
        prompt_version: Version of the prompts.
        source: Source of the target distributions.
        augmented: Whether DiME-Aug's samples were trained on.
        settings: The preset's name and the settings that the weights depend on (``FinetuneSettings``).
    """

    labels: tuple[str, ...]
    modality: Modality
    alm: str
    alm_name: str
    alm_revision: str
    prompt_version: str
    source: str
    augmented: bool
    settings: dict[str, Any]

    @property
    def quantised(self) -> bool:
        """Whether the model was trained on 4-bit weights."""
        return bool(self.settings.get("quantise", False))


_CONTENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_CARD = TypeAdapter(Card)


def read_card(folder: Path) -> Card:
    """Read the card of a fine-tuned model, in today's format or in that of version 0.1.

    Args:
        folder: The model's folder.

    Raises:
        UserError: The folder does not contain a fine-tuned model.
    """
    expected = "the card of a model in a folder that finetune wrote"
    content = read_json_document(folder / CARD, _CONTENT, expected)
    if "arm" in content:  # the name in version 0.1
        content["modality"] = content.pop("arm")
    if isinstance(content.get("settings"), dict):
        content["settings"] = _current_settings(content["settings"])
    try:
        return _CARD.validate_python(content)
    except ValidationError as error:
        raise UserError(f"{folder / CARD}: expected {expected}, {describe(error)}") from error


def _current_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the names and values of version 0.1 replaced by today's."""
    current = dict(settings)
    for old, new in (("arm", "modality"), ("patience", "early_stopping_patience")):
        if old in current:
            current[new] = current.pop(old)
    if "prior" in current:
        current["correct_label_shift"] = current.pop("prior") == "recorded"
    current.pop("on_error", None)  # The weights do not depend on it.
    return current
