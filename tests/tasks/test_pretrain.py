"""pretrain on a small demo corpus: accuracy on new speakers, option orders, resumption, equal bytes, error messages."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.embedded_alm import pretraining, pretraining_settings
from ambivox.models.embedded_alm.tokenizer import LETTERS, SPECIAL_TOKENS
from ambivox.models.embedded_alm.validation import validation_utterances
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import revision_of
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.steps import pretrain
from tests.support.tiny_fixtures import IngestedDemo
from tests.support.whisper_folders import make_whisper


class TrainedAlm:
    """A trained model folder, loaded with transformers' own classes."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

        self.model = Qwen2AudioForConditionalGeneration.from_pretrained(folder).eval()
        self.processor = AutoProcessor.from_pretrained(folder)

    def ask(self, prompts: list[Prompt], audio: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Distributions over labels and label mass, one row per prompt and recording."""
        import torch

        from ambivox.models.audio.decoding import decode

        tokenizer = self.processor.tokenizer
        texts = [
            tokenizer.apply_chat_template(
                prompt.messages("mele tosa", SPECIAL_TOKENS), tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        inputs = self.processor(
            text=texts,
            audio=[decode(recording) for recording in audio],
            sampling_rate=16_000,
            return_tensors="pt",
            padding=True,
        )
        last = inputs["attention_mask"].sum(1) - 1
        with torch.no_grad():
            logits = self.model(**inputs).logits[torch.arange(len(texts)), last]
        count = len(prompts[0].labels)
        ids = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[:count]]
        p_letter = torch.softmax(logits, 1)[:, ids].numpy()
        q_NK = np.zeros_like(p_letter)
        for row, prompt in enumerate(prompts):
            q_NK[row, list(prompt.order)] = p_letter[row] / p_letter[row].sum()
        return q_NK, p_letter.sum(1)


@pytest.fixture(scope="module")
def trained_alm(tiny_alm: Path) -> TrainedAlm:
    """The session's tiny ALM."""
    return TrainedAlm(tiny_alm)


def test_it_beats_the_prior_on_speakers_outside_the_training(
    trained_alm: TrainedAlm, demo_corpus: IngestedDemo, tiny_alm: Path
) -> None:
    table = Utterances.read(demo_corpus.utterances)
    test = table.in_splits("test").frame
    orders = [(0, 1, 2, 3, 4), (3, 1, 4, 0, 2)]
    prompts = [Prompt(BUILT_IN[row % 6], orders[row % 2], table.labels) for row in range(test.height)]
    q_NK, mass_N = trained_alm.ask(prompts, test["audio"].to_list())
    truth_NK = Distributions.read(demo_corpus.truth).aligned(test["utterance_id"])
    n_NK = Votes.read(demo_corpus.votes).counts(table.in_splits("pretrain").frame["utterance_id"])
    prior_NK = np.broadcast_to(n_NK.sum(0) / n_NK.sum(), truth_NK.shape)
    js, prior = jensen_shannon(truth_NK, q_NK).mean(), jensen_shannon(truth_NK, prior_NK).mean()
    assert js < 0.85 * prior, (js, prior)
    assert mass_N.min() > 0.99
    training = json.loads((tiny_alm / "training.json").read_text())
    assert training["js"] < training["prior_js"] and training["parameters"] < 3_000_000
    assert (training["audio_tower"], training["tower_revision"]) == ("statistics", None)
    assert not set(test["speaker"]) & set(table.in_splits("pretrain").frame["speaker"])


def test_the_answer_depends_on_the_recording_and_not_on_the_option_order(
    trained_alm: TrainedAlm, demo_corpus: IngestedDemo
) -> None:
    table = Utterances.read(demo_corpus.utterances)
    truth = Distributions.read(demo_corpus.truth)
    test = table.in_splits("test").frame
    p_NK = truth.aligned(test["utterance_id"])
    angry, sad = (
        test["audio"][int(p_NK[:, table.labels.index(label)].argmax())] for label in ("anger", "sadness")
    )
    first = Prompt(BUILT_IN[0], (0, 1, 2, 3, 4), table.labels)
    reordered = Prompt(BUILT_IN[5], (4, 2, 0, 3, 1), table.labels, modality="both")
    q_NK, _ = trained_alm.ask([first, first, reordered, reordered], [angry, sad, angry, sad])
    k = table.labels.index("anger")
    assert q_NK[0, k] > q_NK[1, k] + 0.1 and q_NK[2, k] > q_NK[3, k] + 0.1
    assert jensen_shannon(q_NK[:2], q_NK[2:]).max() < 0.02  # other letters, the same answer
    alone, _ = trained_alm.ask([first], [sad])
    np.testing.assert_allclose(alone[0], q_NK[1], atol=1e-3)  # a batch gives the answers of single prompts


def test_a_whisper_is_tuned_on_the_votes_and_any_prompt_gets_its_answer(
    demo_corpus: IngestedDemo, tmp_path: Path
) -> None:
    whisper = make_whisper(tmp_path / "whisper")
    folder = pretrain(
        utterances=demo_corpus.utterances,
        votes=demo_corpus.votes,
        out=tmp_path / "alm",
        tower=str(whisper),
        epochs=8,
        cache=tmp_path / "cache",
    )
    training = json.loads((folder / "training.json").read_text())
    assert training["audio_tower"] == str(whisper)
    assert training["tower_revision"] == revision_of(whisper)
    assert training["js"] < training["prior_js"] and training["label_mass"] > 0.99
    table = Utterances.read(demo_corpus.utterances)
    audio = table.in_splits("test").frame["audio"].to_list()[:3]
    alm = TrainedAlm(folder)
    assert alm.processor.feature_extractor.feature_size == 80
    first = Prompt(BUILT_IN[0], (0, 1, 2, 3, 4), table.labels)
    reordered = Prompt(BUILT_IN[5], (4, 2, 0, 3, 1), table.labels, modality="both")
    q_NK, mass_N = alm.ask([first] * 3 + [reordered] * 3, audio * 2)
    assert mass_N.min() > 0.99
    assert jensen_shannon(q_NK[:3], q_NK[3:]).max() < 0.005
    assert jensen_shannon(q_NK[:1], q_NK[1:2])[0] > 1e-4  # it hears the recording


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller statistics tower."""
    tiny = replace(pretraining_settings.SMALL, bands=4, tower_inner=16)
    monkeypatch.setattr(pretraining_settings, "SMALL", tiny)


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", ["statistics", "whisper"])
def test_a_killed_run_is_resumed_and_ends_with_the_same_bytes(
    kind: str, demo_corpus: IngestedDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    tower = kind if kind == "statistics" else str(make_whisper(tmp_path / "whisper"))
    utterances, votes = Utterances.read(demo_corpus.utterances), Votes.read(demo_corpus.votes)
    pretraining.pretrain(
        utterances, votes, tmp_path / "uninterrupted", tower=tower, epochs=3, cache=tmp_path / "a"
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(pretraining, "write_lookup", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pretraining.pretrain(
                utterances, votes, tmp_path / "resumed", tower=tower, epochs=3, cache=tmp_path / "b"
            )
    assert not (tmp_path / "resumed").exists()
    assert len(list((tmp_path / "b").rglob("mels.float16"))) == 1

    def decode_again(*_: object, **__: object) -> None:
        raise AssertionError("the cache already holds the spectrograms")

    monkeypatch.setattr("ambivox.models.embedded_alm.mel_spectrograms.decode_many", decode_again)
    pretraining.pretrain(utterances, votes, tmp_path / "resumed", tower=tower, epochs=3, cache=tmp_path / "b")
    assert digest(tmp_path / "uninterrupted") == digest(tmp_path / "resumed")
    assert not list((tmp_path / "b").rglob("mels.float16"))


def test_unusable_input_is_a_one_line_error(demo_corpus: IngestedDemo, tmp_path: Path) -> None:
    utterances, votes = Utterances.read(demo_corpus.utterances), Votes.read(demo_corpus.votes)
    none = Utterances(utterances.frame.filter(pl.col("split") != "pretrain"), utterances.labels)
    with pytest.raises(
        UserError,
        match=r"0 utterances with votes are reserved .* \(split pretrain\), and 20 are needed; --alm",
    ):
        pretraining.pretrain(none, votes, tmp_path / "out", tower="statistics")
    with pytest.raises(UserError, match="--epochs must be at least 1"):
        pretraining.pretrain(utterances, votes, tmp_path / "out", epochs=0)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF not audio")
    unreadable = utterances.frame.with_columns(
        pl.when(pl.col("split") == "pretrain").then(pl.lit(str(broken))).otherwise("audio").alias("audio")
    )
    with pytest.raises(UserError, match=r"broken\.wav"):
        pretraining.pretrain(
            Utterances(unreadable, utterances.labels), votes, tmp_path / "out", tower="statistics"
        )
    assert not (tmp_path / "out").exists()


def test_validation_speakers_are_in_no_training_batch() -> None:
    frame = pl.DataFrame({"speaker": [f"s{i % 9}" for i in range(90)]})
    is_validation = validation_utterances(frame, seed=0)
    assert 5 <= is_validation.sum() <= 20
    validation, training = (
        set(frame.filter(pl.Series(mask))["speaker"]) for mask in (is_validation, ~is_validation)
    )
    assert not validation & training
    unknown = pl.DataFrame({"speaker": pl.Series([None] * 50, dtype=pl.String)})
    assert 1 <= validation_utterances(unknown, seed=0).sum() <= 10


def test_two_labels_and_no_transcripts_are_trained_too(
    demo_corpus: IngestedDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    utterances, votes = Utterances.read(demo_corpus.utterances), Votes.read(demo_corpus.votes)
    two = ("calm", "aroused")
    renamed = votes.frame.with_columns(
        pl.when(pl.col("label").is_in(["anger", "fear", "happiness"]))
        .then(pl.lit("aroused"))
        .otherwise(pl.lit("calm"))
        .alias("label")
    )
    table = Utterances(utterances.frame.with_columns(pl.lit(None, dtype=pl.String).alias("transcript")), two)
    result = pretraining.pretrain(
        table, Votes.check(renamed, two), tmp_path / "alm", tower="statistics", epochs=1
    )
    assert result.label_mass > 0.99
    assert (tmp_path / "alm" / "model.safetensors").is_file()
    shutil.rmtree(tmp_path / "alm")
