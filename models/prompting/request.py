"""A request to an ALM: a prompt with the audio and transcript that it is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambivox.models.prompting.prompts import Prompt


@dataclass(frozen=True)
class Request:
    """One prompt about one clip.

    Attributes:
        prompt: the prompt.
        audio: mono float32 samples at the ALM's rate, shape (samples,); None where the model is given no audio.
        audio_name: identifies the content of ``audio``; engines cache what they compute from it under this name. It
            begins with the hash of the clip that the request is about, also where no audio is given.
        transcript: the transcript, if there is one.
    """

    prompt: Prompt
    audio: NDArray[np.float32] | None
    audio_name: str
    transcript: str | None = None
