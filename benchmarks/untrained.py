"""The tiny ALM before it has learned anything, for the benchmarks of what it costs: that does not depend on training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def untrained(labels: tuple[str, ...], folder: Path, longer: Iterable[str] = ()) -> str:
    """Write the shape that is trained, with random weights, into ``folder``; its path.

    Args:
        labels: the label set.
        folder: where the ALM's folder is made.
        longer: further texts whose words the tokenizer is to know.
    """
    import torch

    from ambivox.models.embedded_alm.architecture import build_model, save_folder
    from ambivox.models.embedded_alm.pretraining_settings import BASE
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.prompting.personas import BUILT_IN
    from ambivox.models.prompting.prompts import build_prompts

    prompts = build_prompts(labels, BUILT_IN, 2, modality="both")
    texts = [prompt.text("It's eleven o'clock.") for prompt in prompts]
    tokenizer = build_tokenizer(labels, [*texts, *longer])
    torch.manual_seed(0)
    save_folder(build_model(BASE.shape(len(labels)), tokenizer), tokenizer, folder / "alm")
    return str(folder / "alm")
