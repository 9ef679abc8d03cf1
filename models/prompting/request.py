"""A request to an ALM: one prompt about one clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambivox.models.prompting.prompts import Prompt


@dataclass(frozen=True)
class Request:
    """One prompt about one clip.

    ``audio`` is mono float32, shape (samples,), at the ALM's rate, or None where the model hears nothing;
    ``audio_name`` identifies its content (engines cache what they compute from it).
    """

    prompt: Prompt
    audio: NDArray[np.float32] | None
    audio_name: str
    transcript: str | None = None
