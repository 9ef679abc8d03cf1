"""An untrained embedded ALM for benchmarks of cost, which does not depend on training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def untrained_alm(labels: tuple[str, ...], folder: Path, texts: Iterable[str] = ()) -> str:
    """Write an embedded ALM of Whisper tiny's sizes with random weights; return its folder.

    Args:
        labels: the label set.
        folder: the folder in which to create the ALM's folder.
        texts: texts to train the tokenizer on, besides the prompts of exact elicitation.
    """
    import torch

    from ambivox.models.embedded_alm.architecture import Shape, build_model, save_folder
    from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.prompting.personas import BUILT_IN
    from ambivox.models.prompting.prompts import build_prompts

    prompts = build_prompts(labels, BUILT_IN, 2, modality="both")
    prompt_texts = [prompt.text("It's eleven o'clock.") for prompt in prompts]
    tokenizer = build_tokenizer(labels, [*prompt_texts, *texts])
    torch.manual_seed(0)
    shape = Shape(
        mel_bands=80,
        tower_width=384,
        tower_layers=4,
        tower_heads=6,
        tower_inner=1536,
        text_width=text_width_for(len(labels)),
        text_inner=text_inner_for(len(labels)),
    )
    save_folder(build_model(shape, tokenizer), tokenizer, folder / "alm")
    return str(folder / "alm")
