"""The prompt that a model is fine-tuned on, and the tokens of its answer codes."""

from __future__ import annotations

from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import Modality, Prompt


def build_prompt(labels: tuple[str, ...], modality: Modality) -> Prompt:
    """Build the prompt: the paper's first persona, with the options in the labels' order."""
    return Prompt(PAPER[0], tuple(range(len(labels))), labels, modality=modality)


def answer_code_ids(backbone: Backbone, labels: tuple[str, ...], modality: Modality) -> list[int]:
    """Find the token id of each label's answer code after ``build_prompt``, in the labels' order."""
    prompt = build_prompt(labels, modality)
    return backbone.code_ids(prompt.messages("words"), prompt.codes[: len(labels)])
