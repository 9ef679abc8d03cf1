"""The language model answers as the linear head does, whatever the order of the options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ambivox.models.embedded_alm.architecture import Shape, build_model, build_processor, save_folder
from ambivox.models.embedded_alm.language_model_layout import (
    LanguageModelLayout,
    text_inner_for,
    text_width_for,
)
from ambivox.models.embedded_alm.lookup_language_model import write_lookup
from ambivox.models.embedded_alm.tokenizer import LETTERS, SPECIAL_TOKENS, build_tokenizer
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Prompt, build_prompts

RATE_HZ = 16_000


def lookup_model(labels: tuple[str, ...]):
    """A model with a random head and prior; also its tokenizer, head, bias and prior."""
    prompts = build_prompts(labels, BUILT_IN, 2, modality="both")
    tokenizer = build_tokenizer(
        labels, [prompt.text("the surface is slick", SPECIAL_TOKENS) for prompt in prompts]
    )
    torch.manual_seed(3)
    shape = Shape(
        tower_width=48,
        tower_layers=1,
        tower_heads=2,
        tower_inner=48,
        text_width=text_width_for(len(labels)),
        text_inner=text_inner_for(len(labels)),
    )
    model = build_model(shape, tokenizer).eval()
    head, bias = torch.randn(len(labels), 48) * 0.4, torch.randn(len(labels))
    prior = np.random.default_rng(0).dirichlet(np.full(len(labels), 3.0))
    write_lookup(model, tokenizer, labels, head, bias, prior)
    return model, tokenizer, head, bias, prior


def head_distribution(model, tokenizer, head, bias, audio) -> np.ndarray:
    """The head's distribution from the tower's full 30 s window."""
    features = build_processor(tokenizer, 128).feature_extractor(
        audio, sampling_rate=RATE_HZ, return_tensors="pt", return_attention_mask=True
    )
    encoded = (int(features.attention_mask.sum()) - 1) // 2 + 1
    mask = torch.zeros(1, 1, 1500, 1500)
    mask[..., encoded:] = -torch.inf
    with torch.no_grad():
        h = model.model.audio_tower(features.input_features, attention_mask=mask).last_hidden_state[0]
        return torch.softmax((h[: (encoded - 2) // 2 + 1] @ head.T + bias).mean(0), 0).numpy()


def answer(model, tokenizer, prompt: Prompt, transcript: str | None, audio) -> tuple[np.ndarray, float]:
    """The model's distribution over labels, and its label mass."""
    text = tokenizer.apply_chat_template(
        prompt.messages(transcript, SPECIAL_TOKENS), tokenize=False, add_generation_prompt=True
    )
    if prompt.modality == "transcript":
        inputs = tokenizer(text, return_tensors="pt")
    else:
        inputs = build_processor(tokenizer, 128)(
            text=text, audio=audio, sampling_rate=RATE_HZ, return_tensors="pt"
        )
    dtype = model.lm_head.weight.dtype
    inputs = {name: x.to(dtype) if x.is_floating_point() else x for name, x in inputs.items()}
    ids = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: len(prompt.labels)]]
    with torch.no_grad():
        p_letter = torch.softmax(model(**inputs).logits[0, -1].float(), 0)[ids].numpy()
    p_label = np.zeros(len(ids))
    p_label[list(prompt.order)] = p_letter
    return p_label / p_label.sum(), float(p_letter.sum())


def noise(seed: int, seconds: float) -> np.ndarray:
    """Brownian noise."""
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.standard_normal(int(seconds * RATE_HZ))) * 0.01).astype(np.float32)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_any_order_persona_and_transcript_gives_the_heads_distribution(count: int) -> None:
    labels = tuple(f"feeling {'abcdefghijklmnopqrst'[k]}" for k in range(count))
    model, tokenizer, head, bias, _ = lookup_model(labels)
    audio = noise(1, 1.1)
    expected = head_distribution(model, tokenizer, head, bias, audio)
    assert expected.max() - expected.min() > 0.1  # far from uniform
    rng = np.random.default_rng(0)
    options_in_transcript = "I am A man, B " + labels[0] + " C"
    for persona, modality, transcript in (
        (BUILT_IN[0], "audio", None),
        (BUILT_IN[3], "both", options_in_transcript),
    ):
        order = tuple(int(k) for k in rng.permutation(count))
        p_label, mass = answer(model, tokenizer, Prompt(persona, order, labels, modality), transcript, audio)
        np.testing.assert_allclose(p_label, expected, atol=0.01)
        assert mass > 0.999


def test_without_audio_the_answer_is_the_prior() -> None:
    labels = ("anger", "fear", "joy")
    model, tokenizer, _, _, prior = lookup_model(labels)
    p_label, _ = answer(model, tokenizer, Prompt(BUILT_IN[1], (2, 0, 1), labels, "transcript"), "hello", None)
    np.testing.assert_allclose(p_label, prior, atol=0.01)


def test_bfloat16_is_precise_enough() -> None:
    labels = ("anger", "fear", "joy", "neutral")
    model, tokenizer, _, _, _ = lookup_model(labels)
    audio = noise(2, 0.8)
    prompt = Prompt(BUILT_IN[2], (1, 3, 0, 2), labels)
    exact, _ = answer(model, tokenizer, prompt, None, audio)
    rounded, _ = answer(model.to(torch.bfloat16), tokenizer, prompt, None, audio)
    np.testing.assert_allclose(rounded, exact, atol=0.02)


def test_the_folder_loads_with_transformers_own_classes(tmp_path: Path) -> None:
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    labels = ("anger", "fear", "joy")
    model, tokenizer, _, _, _ = lookup_model(labels)
    save_folder(model, tokenizer, tmp_path)
    assert not list(tmp_path.glob("*.py")) and not list(tmp_path.glob("*.bin"))
    loaded = Qwen2AudioForConditionalGeneration.from_pretrained(tmp_path).eval()
    processor = AutoProcessor.from_pretrained(tmp_path)
    prompt = Prompt(BUILT_IN[0], (1, 0, 2), labels)
    audio = noise(3, 0.5)
    before, _ = answer(model, tokenizer, prompt, None, audio)
    after, _ = answer(loaded, processor.tokenizer, prompt, None, audio)
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert processor.feature_extractor.nb_max_frames == 3000


def test_dimensions_of_the_layout_do_not_overlap() -> None:
    layout = LanguageModelLayout(7)
    parts = (
        layout.logit,
        layout.mean_logit,
        layout.label,
        layout.letter,
        layout.preceding_letter,
        layout.letter_logit,
    )
    dimensions = [0, 1, 2, 3, 4, 5] + [index for part in parts for index in range(part.start, part.stop)]
    assert len(dimensions) == len(set(dimensions)) == layout.used <= text_width_for(7)
