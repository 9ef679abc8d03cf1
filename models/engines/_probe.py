"""Fixed prompts about fixed sounds: what a model answers to them tells it from other models with the same name."""

from __future__ import annotations

import numpy as np

from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request

# Changing any of these makes the answers of all servers so far unusable.
_LABELS = ("anger", "happiness", "neutral", "sadness")
_TRANSCRIPT = "I did not expect to see you here."
_SECONDS = 1.0


def probe_requests(rate_hz: int) -> list[Request]:
    """The prompts: a tone, a noise and no sound, each with two orders of four labels.

    Args:
        rate_hz: the sample rate of the sounds.

    Returns:
        Six requests.
    """
    time = np.arange(int(_SECONDS * rate_hz)) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 220 * time)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(time))
    heard = build_prompts(_LABELS, PAPER[:1], 2, modality="both")
    read = build_prompts(_LABELS, PAPER[:1], 2, modality="transcript")
    sounds = {"probe tone": tone, "probe noise": noise}
    return [
        *(
            Request(prompt, sound.astype(np.float32), name, _TRANSCRIPT)
            for name, sound in sounds.items()
            for prompt in heard
        ),
        *(Request(prompt, None, "", _TRANSCRIPT) for prompt in read),
    ]
