"""vLLM's inputs, encoder and prefix cache: what this project changes there does not change the answers."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from ambivox.models.engines.vllm import engine
from ambivox.models.engines.vllm.inputs import InputPreparer
from ambivox.models.errors import UserError
from tests.support.engine_requests import make_requests, probabilities


@pytest.mark.engine
def test_the_trimmed_encoder_equals_vllms_own(vllm_engine):
    """Clips from the shortest that the model takes to the full window, in one batch and alone."""
    import torch
    from transformers.models.qwen2_audio import Qwen2AudioEncoder, Qwen2AudioEncoderConfig
    from vllm import ModelRegistry
    from vllm.model_executor.models.qwen2_audio import (
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioMultiModalProjector,
    )

    from ambivox.models.engines.vllm.qwen2_audio import TrimmedProcessor, TrimmedQwen2Audio

    registered = ModelRegistry.models["Qwen2AudioForConditionalGeneration"].load_model_cls()
    assert registered is TrimmedQwen2Audio
    processor = vllm_engine.llm.llm_engine.renderer.mm_processor
    assert isinstance(processor, TrimmedProcessor)
    torch.manual_seed(0)
    model = TrimmedQwen2Audio.__new__(TrimmedQwen2Audio)
    torch.nn.Module.__init__(model)
    config = Qwen2AudioEncoderConfig(
        num_mel_bins=128, d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32
    )
    model.audio_tower = Qwen2AudioEncoder(config).eval()
    torch.nn.init.normal_(model.audio_tower.embed_positions.weight)
    model.multi_modal_projector = Qwen2AudioMultiModalProjector(32, 16)
    rng = np.random.default_rng(0)
    clips = [
        rng.standard_normal(int(16_000 * s)).astype(np.float32) for s in (0.06, 0.51, 2.503, 29.97, 30.0)
    ]
    full_window = processor.info.get_feature_extractor()(
        clips, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt"
    )
    trimmed_inputs = []
    for clip in clips:
        items = processor.info.parse_mm_data({"audio": clip})
        trimmed_inputs.append(processor._apply_hf_processor_main(items, {}))
    assert [inputs["input_features"].shape[-1] for inputs in trimmed_inputs] == [11, 56, 256, 3000, 3000]

    def embed(model_class, features, masks):
        inputs = {"type": "audio_features", "input_features": features, "feature_attention_mask": masks}
        with torch.inference_mode():
            return model_class._process_audio_input(model, inputs)

    for batch in ([0, 1, 2, 3, 4], [0, 1, 2], [0], [1], [2], [2, 2]):
        full = embed(
            Qwen2AudioForConditionalGeneration,
            full_window.input_features[batch],
            full_window.attention_mask[batch],
        )
        trimmed = embed(
            TrimmedQwen2Audio,
            [trimmed_inputs[index]["input_features"][0] for index in batch],
            [trimmed_inputs[index]["feature_attention_mask"][0] for index in batch],
        )
        assert [len(row) for row in trimmed] == [len(row) for row in full] and len(trimmed[0])
        for trimmed_row, full_row in zip(trimmed, full, strict=True):
            np.testing.assert_allclose(trimmed_row, full_row, atol=1e-5)


@pytest.mark.engine
@pytest.mark.parametrize("audio_first", [True, False])
def test_derived_inputs_are_what_vllm_prepares(vllm_engine, tmp_path, audio_first):
    requests = [
        replace(request, prompt=replace(request.prompt, audio_first=audio_first))
        for request in make_requests(tmp_path, clips=3)
    ]
    prompts = [vllm_engine.prompt(request) | {"cache_salt": str(n % 2)} for n, request in enumerate(requests)]
    prepare, prepared = vllm_engine.llm._preprocess_cmpl_one, []
    inputs = InputPreparer(lambda prompt: prepared.append(prompt) or prepare(prompt))
    for prompt in prompts:
        derived, expected = inputs.prepare(prompt), prepare(prompt)
        assert derived["cache_salt"] == prompt["cache_salt"]
        for part in ("prompt_token_ids", "mm_placeholders", "mm_hashes"):
            assert derived[part] == expected[part]
    # Two of the six prompts per clip; where the text comes before the audio, no input can be derived from another.
    assert len(prepared) == (6 if audio_first else len(prompts))


@pytest.mark.engine
def test_a_token_that_the_weights_lack_is_one_line(vllm_engine, tmp_path, monkeypatch):
    """VLLM itself reads what lies behind the weights, and answers."""
    (request, *_) = make_requests(tmp_path)
    highest = max(set(vllm_engine.prompt(request)["prompt_token_ids"]) - {vllm_engine.chat.audio_token_id})
    monkeypatch.setattr(vllm_engine, "_rows", highest)
    with pytest.raises(UserError, match=rf"\(token {highest}, the weights have {highest} rows\)"):
        vllm_engine.score([request])


def shared_tokens(left: list[int], right: list[int]) -> int:
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))))


@pytest.mark.engine
def test_prompts_of_a_clip_share_every_block_of_16_tokens(vllm_engine, tmp_path, monkeypatch):
    outputs, finish = [], vllm_engine._finish
    monkeypatch.setattr(vllm_engine, "_finish", lambda: outputs.extend(finish()) or outputs)
    vllm_engine.llm.reset_prefix_cache()
    probabilities(vllm_engine, make_requests(tmp_path, clips=1))
    prompts = [list(output.prompt_token_ids) for output in outputs]
    assert outputs[0].num_cached_tokens == 0
    for number, output in enumerate(outputs[1:], 1):
        shared = max(shared_tokens(prompts[number], earlier) for earlier in prompts[:number])
        assert output.num_cached_tokens == shared // 16 * 16 > 0


@pytest.mark.parametrize(
    ("compiler", "given", "expected"), [(None, None, "1"), (None, "0", "0"), ("cxx", None, None)]
)
def test_torch_compiles_nothing_without_a_compiler(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compiler: str | None,
    given: str | None,
    expected: str | None,
) -> None:
    path = tmp_path / "cxx"
    if compiler:
        path.touch(mode=0o755)
    monkeypatch.setenv("CXX", str(path))
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", given or "")
    if given is None:
        monkeypatch.delenv("TORCHDYNAMO_DISABLE")
    engine._compile_only_with_a_compiler()
    assert os.environ.get("TORCHDYNAMO_DISABLE") == expected
