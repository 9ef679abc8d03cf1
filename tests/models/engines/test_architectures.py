"""ALMs of other architectures as small random-weight models on the CPU, and the contract of the files in models/alms/."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
import torch

from ambivox.models.alms import alms, resolve
from ambivox.models.engines import EngineChoice
from ambivox.models.engines import transformers as reference
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat
from ambivox.models.prompting.model_folder import revision_of
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support import published_architectures as architectures
from tests.support.annotation_fixtures import LABELS
from tests.support.engine_requests import make_requests, special_tokens_of


@pytest.fixture(scope="module", params=["audio_flamingo_3", "qwen2_5_omni"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """(key, folder, engine) of a small model of another architecture."""
    folder = getattr(architectures, request.param)(tmp_path_factory.mktemp("other") / "folder")
    return request.param, folder, reference.start(EngineChoice("transformers", str(folder)))


def requests(tmp_path, modality="both"):
    return make_requests(tmp_path, clips=3, modality=modality, personas=PAPER[:1])


def test_a_local_folder_is_known_by_its_architecture(other):
    key, folder, _ = other
    resolved = resolve(str(folder))
    assert (resolved.key, resolved.is_local, resolved.revision) == (key, True, revision_of(folder))


@pytest.mark.parametrize("modality", ["audio", "both", "transcript"])
def test_batch_equals_single(other, tmp_path, modality):
    _, _, engine = other
    batch = requests(tmp_path, modality)
    together = np.exp(engine.score(batch).logprobs_RK)
    alone = np.concatenate([np.exp(engine.score([request]).logprobs_RK) for request in batch])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.engine
def test_vllm_agrees_with_transformers(other, tmp_path):
    key, folder, engine = other
    if key == "qwen2_5_omni":
        pytest.skip("vLLM's Qwen2.5-Omni needs torchvision, which the installation for CPUs leaves out")
    from ambivox.models.engines import vllm

    fast = vllm.start(EngineChoice("vllm", str(folder)))
    try:
        for modality in ("both", "audio", "transcript"):
            batch = requests(tmp_path, modality)
            np.testing.assert_allclose(
                fast.score(batch).logprobs_RK, engine.score(batch).logprobs_RK, atol=1e-3
            )
    finally:
        fast.close()


def test_it_is_audio_sensitive(other, tmp_path):
    _, _, engine = other
    first, second = (np.exp(engine.score(requests(tmp_path, "audio")).logprobs_RK)[place] for place in (0, 2))
    assert np.abs(np.log(first) - np.log(second)).max() > 0.01


def test_it_agrees_with_the_model_called_by_hand(other, tmp_path):
    """A second implementation: one row, the processor's own call, the logits at the last position."""
    _, _, engine = other
    request = requests(tmp_path)[3]
    chat = engine.chat
    inputs = chat.processor(text=chat.render(request), audio=[request.audio], return_tensors="pt")
    with torch.no_grad():
        logits = engine.model(**inputs).logits[0, -1]
    ids = chat.tokenizer.convert_tokens_to_ids(list("ABCD"))
    np.testing.assert_allclose(
        np.exp(engine.score([request]).logprobs_RK)[0], torch.softmax(logits, -1)[ids], atol=1e-6
    )


def test_transcripts_bring_no_markup_of_this_model(other):
    _, folder, _ = other
    chat = load_chat(resolve(str(folder)))
    prompt = build_prompts(LABELS, PAPER[:1], 1, modality="both")[0]
    hostile = "".join(chat.special_tokens) + "<sound><|AUDIO|>"
    found, expected = (
        special_tokens_of(chat, Request(prompt, np.zeros(1600, np.float32), "x", transcript))
        for transcript in (hostile, "hello")
    )
    assert found == expected != []


@pytest.mark.parametrize("key", sorted(key for key, alm in alms().items() if alm.hosted is None))
def test_every_alm_is_complete(key):
    alm = alms()[key]
    import transformers

    assert hasattr(transformers, alm.transformers_class) and hasattr(transformers, alm.processor_class)
    assert alm.licence and alm.tested and alm.longest_seconds > 0 and alm.architectures
    if alm.checkpoint is not None:
        assert re.fullmatch(r"[0-9a-f]{40}", alm.revision or "")
        assert resolve(key).source == alm.checkpoint


@pytest.mark.parametrize("key", sorted(key for key, alm in alms().items() if alm.checkpoint))
def test_every_alm_is_known_to_vllm(key):
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    from vllm.model_executor.models.registry import ModelRegistry

    assert set(alms()[key].architectures) & set(ModelRegistry.get_supported_archs())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"architectures": ["LlamaForCausalLM"]}',
            "no file in models/alms/ has the architecture LlamaForCausalLM",
        ),
        ('{"model_type": "other"}', "names no architecture"),
        ("{", "no readable JSON"),
        ("[]", "Input should be an object"),
        (None, "not a model folder, it has no config.json"),
        ('{"architectures": ["VoxtralForConditionalGeneration"]}', "no \\*.safetensors"),
    ],
)
def test_a_folder_that_is_no_alm_is_an_error(tmp_path, config, message):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match=message):
        resolve(str(tmp_path))


def test_the_revision_is_that_of_the_content(small_alm, tmp_path):
    import shutil

    copy = shutil.copytree(small_alm, tmp_path / "another name")
    assert revision_of(copy) == revision_of(small_alm)
    (copy / "README.md").write_text("words")
    assert revision_of(copy) == revision_of(small_alm)
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert revision_of(copy) != revision_of(small_alm)


def test_damaged_weights_are_an_error(small_alm, tmp_path):
    import shutil

    copy = shutil.copytree(small_alm, tmp_path / "damaged")
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    for damaged, message in (
        (content[:1000], "no safetensors file, or cut short"),
        (content[:-1], "cut short, "),
        (content + b"more", f"{len(content) + 4:,} bytes, expected {len(content):,}"),
    ):
        weights.write_bytes(damaged)
        with pytest.raises(UserError, match=message):
            reference.start(EngineChoice("transformers", str(copy)))
