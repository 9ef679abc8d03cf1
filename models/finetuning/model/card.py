"""What is written beside a fine-tuned model's weights: enough to load and use it. Reading it needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.prompting.prompts import Modality

CARD = "ambivox.json"


@dataclass(frozen=True)
class Card:
    """What has to be known to use the model."""

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
        """Whether it was trained on 4-bit weights."""
        return bool(self.settings.get("quantise", False))


def read_card(folder: Path) -> Card:
    """The card of a fine-tuned model.

    Raises:
        UserError: the folder holds no fine-tuned model.
    """
    try:
        content = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if "arm" in content:  # the name up to version 0.1
            content["modality"] = content.pop("arm")
        return Card(**(content | {"labels": tuple(content["labels"]), "settings": dict(content["settings"])}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: not a model that finetune made, its {CARD} cannot be read ({error})"
        ) from error
