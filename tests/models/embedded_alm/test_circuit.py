"""The circuit: before any training the language model answers as the light head does, in every order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ambivox.models.embedded_alm.architecture import Shape, build_model, build_processor, save_folder
from ambivox.models.embedded_alm.circuit import Places, inner_for, width_for, write_circuit
from ambivox.models.embedded_alm.tokenizer import LETTERS, SPECIAL_TOKENS, build_tokenizer
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Prompt, build_prompts

RATE_HZ = 16_000


def made(labels: tuple[str, ...]):
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
        text_width=width_for(len(labels)),
        text_inner=inner_for(len(labels)),
    )
    model = build_model(shape, tokenizer).eval()
    head, bias = torch.randn(len(labels), 48) * 0.4, torch.randn(len(labels))
    prior = np.random.default_rng(0).dirichlet(np.full(len(labels), 3.0))
    write_circuit(model, tokenizer, labels, head, bias, prior)
    return model, tokenizer, head, bias, prior


def wanted(model, tokenizer, head, bias, audio) -> np.ndarray:
    """The head's distribution through the tower's full 30 s window, by the definition."""
    features = build_processor(tokenizer).feature_extractor(
        audio, sampling_rate=RATE_HZ, return_tensors="pt", return_attention_mask=True
    )
    inner = (int(features.attention_mask.sum()) - 1) // 2 + 1
    mask = torch.zeros(1, 1, 1500, 1500)
    mask[..., inner:] = -torch.inf
    with torch.no_grad():
        h = model.model.audio_tower(features.input_features, attention_mask=mask).last_hidden_state[0]
        return torch.softmax((h[: (inner - 2) // 2 + 1] @ head.T + bias).mean(0), 0).numpy()


def answered(model, tokenizer, prompt: Prompt, transcript: str | None, audio) -> tuple[np.ndarray, float]:
    text = tokenizer.apply_chat_template(
        prompt.messages(transcript, SPECIAL_TOKENS), tokenize=False, add_generation_prompt=True
    )
    if prompt.modality == "transcript":
        inputs = tokenizer(text, return_tensors="pt")
    else:
        inputs = build_processor(tokenizer)(
            text=text, audio=audio, sampling_rate=RATE_HZ, return_tensors="pt"
        )
    dtype = model.lm_head.weight.dtype
    inputs = {name: x.to(dtype) if x.is_floating_point() else x for name, x in inputs.items()}
    ids = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: len(prompt.labels)]]
    with torch.no_grad():
        p = torch.softmax(model(**inputs).logits[0, -1].float(), 0)[ids].numpy()
    said = np.zeros(len(ids))
    said[list(prompt.order)] = p
    return said / said.sum(), float(p.sum())


def noise(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.standard_normal(int(seconds * RATE_HZ))) * 0.01).astype(np.float32)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_it_reads_any_order_persona_and_transcript(count: int) -> None:
    labels = tuple(f"feeling {'abcdefghijklmnopqrst'[k]}" for k in range(count))
    model, tokenizer, head, bias, _ = made(labels)
    audio = noise(1, 1.1)
    truth = wanted(model, tokenizer, head, bias, audio)
    assert truth.max() - truth.min() > 0.1  # something to read
    rng = np.random.default_rng(0)
    said_by = "I am A man, B " + labels[0] + " C"  # a transcript that looks like options
    for persona, modality, said_words in ((BUILT_IN[0], "audio", None), (BUILT_IN[3], "both", said_by)):
        order = tuple(int(k) for k in rng.permutation(count))
        said, mass = answered(model, tokenizer, Prompt(persona, order, labels, modality), said_words, audio)
        np.testing.assert_allclose(said, truth, atol=0.01)
        assert mass > 0.999


def test_without_audio_it_says_the_prior() -> None:
    labels = ("anger", "fear", "joy")
    model, tokenizer, _, _, prior = made(labels)
    said, _ = answered(model, tokenizer, Prompt(BUILT_IN[1], (2, 0, 1), labels, "transcript"), "hello", None)
    np.testing.assert_allclose(said, prior, atol=0.01)


def test_sixteen_bits_are_enough() -> None:
    labels = ("anger", "fear", "joy", "neutral")
    model, tokenizer, _, _, _ = made(labels)
    audio = noise(2, 0.8)
    prompt = Prompt(BUILT_IN[2], (1, 3, 0, 2), labels)
    exact, _ = answered(model, tokenizer, prompt, None, audio)
    rounded, _ = answered(model.to(torch.bfloat16), tokenizer, prompt, None, audio)
    np.testing.assert_allclose(rounded, exact, atol=0.02)


def test_the_folder_is_plain(tmp_path: Path) -> None:
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    labels = ("anger", "fear", "joy")
    model, tokenizer, _, _, _ = made(labels)
    save_folder(model, tokenizer, tmp_path)
    assert not list(tmp_path.glob("*.py")) and not list(tmp_path.glob("*.bin"))
    loaded = Qwen2AudioForConditionalGeneration.from_pretrained(tmp_path).eval()
    processor = AutoProcessor.from_pretrained(tmp_path)
    prompt = Prompt(BUILT_IN[0], (1, 0, 2), labels)
    audio = noise(3, 0.5)
    before, _ = answered(model, tokenizer, prompt, None, audio)
    after, _ = answered(loaded, processor.tokenizer, prompt, None, audio)
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert processor.feature_extractor.nb_max_frames == 3000


def test_places_do_not_overlap() -> None:
    places = Places(7)
    slices = (places.logit, places.pooled, places.label, places.letter, places.before, places.answer)
    taken = [0, 1, 2, 3, 4, 5] + [place for s in slices for place in range(s.start, s.stop)]
    assert len(taken) == len(set(taken)) == places.used <= width_for(7)
