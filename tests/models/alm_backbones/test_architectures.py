"""Other ALMs than Qwen2-Audio, small and with random weights: heard as they hear themselves, trained, read elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from ambivox.models.alm_backbones.architecture import architecture_of  # noqa: E402
from ambivox.models.alm_backbones.backbone import load  # noqa: E402
from ambivox.models.audio.decoding import decode  # noqa: E402
from ambivox.models.errors import UserError  # noqa: E402
from ambivox.models.finetuning.data.examples import question  # noqa: E402
from ambivox.models.tables import Distributions, Utterances  # noqa: E402
from tests.models.finetuning.conftest import LABELS, tone_corpus  # noqa: E402
from tests.support import published_architectures as architectures  # noqa: E402
from tests.support.steps import finetune, predict  # noqa: E402


@pytest.fixture(scope="module", params=["audio_flamingo_3", "qwen2_5_omni", "voxtral"])
def alm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small ALM of another architecture."""
    return getattr(architectures, request.param)(tmp_path_factory.mktemp(request.param) / "alm")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory):
    """A handful of tones."""
    return tone_corpus(tmp_path_factory.mktemp("few"), per_split=(6, 2, 1))


def own_inputs(backbone, recording, messages):
    """What the ALM's own processor makes of a recording and a prompt."""
    scope = {
        "PROMPT": backbone.architecture.prompt(messages),
        "processor": backbone.processor,
        "samples": recording,
    }
    exec(  # noqa: S102 - the lines that a trained model's README tells people to run
        f"def inputs(transcript):\n{backbone.architecture.reading}\n    return inputs", scope
    )
    return scope["inputs"]("it is late")


def test_hidden_states_are_those_of_the_alms_own_forward_pass(alm: Path, few) -> None:
    backbone = load(str(alm), torch.device("cpu"), torch.float32)
    recordings = [decode(audio) for audio in Utterances.read(few.utterances).frame["audio"][:3]]
    asked = question(LABELS, "both")
    for recording, states in zip(recordings, backbone.audio_states(recordings), strict=True):
        ids = torch.tensor([backbone.prompt_ids(asked.messages("it is late"), len(states))])
        with torch.no_grad():
            found = backbone.hidden(ids, torch.ones_like(ids), states)
            inputs = own_inputs(backbone, recording, asked.messages("TRANSCRIPT"))
            expected = backbone.model(**inputs, output_hidden_states=True)
        assert inputs["input_ids"].tolist() == ids.tolist()
        np.testing.assert_allclose(found, expected.hidden_states[-1], atol=1e-4)
        codes = backbone.code_ids(asked.messages("words"), "ABC")
        answer = backbone.answer(found[:, -1], codes)
        np.testing.assert_allclose(answer, expected.logits[:, -1, codes], rtol=1e-3, atol=1e-3)


def test_it_trains_with_the_audio_reaching_it_and_a_stranger_gets_the_same_answers(
    alm, few, tmp_path
) -> None:
    model = finetune(
        utterances=few.utterances,
        distributions=few.human,
        alm=str(alm),
        out=tmp_path / "model",
        preset="small",
        epochs=3,
        early_stopping_patience=3,
        batch=3,
        learning_rate=1e-3,
        cache=tmp_path / "states",
        runs=tmp_path / "runs",
    )
    training = json.loads((model / "training.json").read_text())
    assert training["checks"]["gradient"] > 0
    assert training["checks"]["change"] > 1e-7
    assert len(training["adapted"]) == 2 * 4
    curves = json.loads((model / "curves.json").read_text())["curves"]
    assert min(row["loss"] for row in curves[1:]) < curves[0]["loss"]
    predictions = Distributions.read(
        predict(utterances=few.utterances, model=model, out=tmp_path / "p.parquet", cache=tmp_path / "states")
    )
    test = Utterances.read(few.utterances).in_splits("test").frame
    world: dict = {}
    code = (model / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), world)  # noqa: S102 - the very code that we tell people to run
    loaded = world["load"](str(model), str(alm))
    found = world["distribution"](*loaded, decode(test["audio"][0]), test["transcript"][0])
    np.testing.assert_allclose(list(found.values()), predictions.aligned(test["utterance_id"])[0], atol=1e-4)


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
        architecture_of(WhisperForConditionalGeneration(config), None, alms()["qwen2_audio"])
