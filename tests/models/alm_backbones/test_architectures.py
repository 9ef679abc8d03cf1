"""Small ALMs of other architectures than Qwen2-Audio: same hidden states as their own forward pass; trained; loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.alm_backbones.architecture import find_architecture  # noqa: E402
from ambivox.models.alm_backbones.backbone import load  # noqa: E402
from ambivox.models.audio.decoding import decode  # noqa: E402
from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.data.prompts import build_prompt  # noqa: E402
from ambivox.models.tables import Utterances  # noqa: E402
from tests.support import published_architectures as architectures  # noqa: E402
from tests.support.finetuned_models import finetune_tones, predict_split, readme_namespace  # noqa: E402
from tests.support.tone_corpus import LABELS, tone_corpus  # noqa: E402


@pytest.fixture(scope="module", params=["audio_flamingo_3", "qwen2_5_omni", "voxtral"])
def alm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small ALM of another architecture."""
    return getattr(architectures, request.param)(tmp_path_factory.mktemp(request.param) / "alm")


@pytest.fixture(scope="module")
def few_tones(tmp_path_factory: pytest.TempPathFactory):
    """A corpus of nine tones."""
    return tone_corpus(tmp_path_factory.mktemp("few"), per_split=(6, 2, 1))


def processor_inputs(backbone, recording, messages):
    """The inputs that the ALM's own processor makes of a recording and a prompt."""
    namespace = {
        "PROMPT": backbone.architecture.prompt(messages),
        "processor": backbone.processor,
        "samples": recording,
    }
    code = f"def inputs(transcript):\n{backbone.architecture.input_code}\n    return inputs"
    exec(code, namespace)  # noqa: S102 - lines of the code that a model's README tells users to run
    return namespace["inputs"]("it is late")


def test_hidden_states_are_those_of_the_alms_own_forward_pass(alm: Path, few_tones) -> None:
    backbone = load(str(alm), torch.device("cpu"), torch.float32)
    recordings = [decode(audio) for audio in Utterances.read(few_tones.utterances).frame["audio"][:3]]
    prompt = build_prompt(LABELS, "both")
    for recording, states in zip(recordings, backbone.audio_states(recordings), strict=True):
        ids = torch.tensor([backbone.prompt_ids(prompt.messages("it is late"), len(states))])
        with torch.no_grad():
            hidden = backbone.hidden_states(ids, torch.ones_like(ids), states)
            inputs = processor_inputs(backbone, recording, prompt.messages("TRANSCRIPT"))
            expected = backbone.model(**inputs, output_hidden_states=True)
        assert inputs["input_ids"].tolist() == ids.tolist()
        np.testing.assert_allclose(hidden, expected.hidden_states[-1], atol=1e-4)
        code_ids = backbone.code_ids(prompt.messages("words"), "ABC")
        logits = backbone.code_logits(hidden[:, -1], code_ids)
        np.testing.assert_allclose(logits, expected.logits[:, -1, code_ids], rtol=1e-3, atol=1e-3)


def test_it_trains_with_the_audio_and_the_readmes_code_gives_the_same_predictions(
    alm, few_tones, tmp_path
) -> None:
    options = {"epochs": 3, "early_stopping_patience": 3, "batch": 3, "learning_rate": 1e-3}
    model = finetune_tones(
        few_tones,
        tmp_path / "model",
        alm=alm,
        preset="small",
        cache=tmp_path / "states",
        runs=tmp_path / "runs",
        options=options,
    )
    training = json.loads((model / "training.json").read_text())
    assert training["checks"]["gradient"] > 0
    assert training["checks"]["change"] > 1e-7
    assert len(training["adapted"]) == 2 * 4
    curves = json.loads((model / "curves.json").read_text())["curves"]
    assert min(row["loss"] for row in curves[1:]) < curves[0]["loss"]
    predictions = predict_split(few_tones, model, tmp_path / "states")
    test = Utterances.read(few_tones.utterances).in_splits("test").frame
    readme = readme_namespace(model)
    loaded = readme["load"](str(model), str(alm))
    distribution = readme["distribution"](*loaded, decode(test["audio"][0]), test["transcript"][0])
    expected = predictions.aligned(test["utterance_id"])[0]
    np.testing.assert_allclose(list(distribution.values()), expected, atol=1e-4)


def test_an_alm_without_a_language_model_inside_is_refused() -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    from ambivox.models.alms import alms

    config = WhisperConfig(
        vocab_size=60,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    with pytest.raises(UserError, match="cannot be fine-tuned"):
        find_architecture(WhisperForConditionalGeneration(config), None, alms()["qwen2_audio"])
