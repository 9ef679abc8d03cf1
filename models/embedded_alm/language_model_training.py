"""Stage 2 of pretraining: train projector and language model on the annotation prompt.

Training starts from the weights of models/embedded_alm/lookup_language_model.py, which already reproduce the prediction of
the tower's classifier for every prompt. Prompts have random option orders, personas and modalities; the tower's outputs
are computed once. The target is a mixture of the classifier's prediction (distillation) and the votes; for prompts without
audio it is the prior. The result has the weights with the lowest validation loss, the initial ones included, so
this stage cannot increase that loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.tokenizer import AUDIO, LETTERS, SPECIAL_TOKENS
from ambivox.models.embedded_alm.training_prompts import (
    PromptedRecording,
    Recordings,
    draw_prompt,
    letter_targets,
    validation_prompts,
)
from ambivox.models.embedded_alm.validation import is_best, validation_scores
from ambivox.models.progress import bar
from ambivox.models.prompting.prompts import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

_WARM_UP_STEPS = 20
_INFERENCE_BATCH = 32


@dataclass(frozen=True)
class LanguageModelTrainingSettings:
    """Hyperparameters of the language model's training.

    Attributes:
        steps: optimiser steps.
        batch: prompts per step.
        learning_rate: peak rate of AdamW, with warm-up and linear decay.
        vote_share: weight of the votes in the targets.
        validations: how often the validation loss is measured during training.
        seed: of all random draws.
    """

    steps: int = 150
    batch: int = 16
    learning_rate: float = 3e-5
    vote_share: float = 0.3
    validations: int = 5
    seed: int = 0


def train_language_model(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    recordings: Recordings,
    is_validation_N: NDArray[np.bool_],
    settings: LanguageModelTrainingSettings,
) -> list[dict[str, float]]:
    """Train all weights but the tower's, in place.

    Args:
        model: the model with the weights of ``write_lookup``.
        tokenizer: its tokenizer.
        labels: K labels.
        recordings: N recordings.
        is_validation_N: recordings that only select the weights.
        settings: hyperparameters.

    Returns:
        Scores on the validation recordings before training and after every few steps: ``step``, those of
        ``validation_scores``, ``validation_accuracy`` and ``label_mass``.
    """
    import torch

    rng = np.random.default_rng([settings.seed, 7])
    torch.manual_seed(settings.seed)
    train_rows, validation_rows = np.flatnonzero(~is_validation_N), np.flatnonzero(is_validation_N)
    prior_K = recordings.p_NK[train_rows].mean(0)
    weights = [weight for name, weight in model.named_parameters() if "audio_tower" not in name]
    optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=0.0, betas=(0.9, 0.98))
    fixed_prompts = validation_prompts(validation_rows, labels)
    best = _copied_weights(model)
    history = [{"step": 0.0} | _validate(model, tokenizer, recordings, fixed_prompts)]
    interval = max(1, settings.steps // settings.validations)
    with bar() as progress:
        task = progress.add_task("Training the model", total=settings.steps, note="")
        for step in range(1, settings.steps + 1):
            rows = rng.choice(train_rows, settings.batch)
            prompted = [draw_prompt(int(row), labels, recordings, rng) for row in rows]
            target_BK = torch.from_numpy(
                letter_targets(prompted, recordings, prior_K, settings.vote_share)
            ).float()
            log_q_BK = letter_log_probabilities(model, tokenizer, recordings, prompted)
            loss = -(target_BK * log_q_BK).sum(1).mean()
            for group in optimiser.param_groups:
                decay = (settings.steps - step + 1) / settings.steps
                group["lr"] = settings.learning_rate * min(step / _WARM_UP_STEPS, decay)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            if step % interval == 0:
                history.append({"step": float(step)} | _validate(model, tokenizer, recordings, fixed_prompts))
                if is_best(history):
                    best = _copied_weights(model)
            note = f"loss {loss.item():.3f}  JS {history[-1]['validation_js']:.3f}"
            progress.update(task, advance=1, note=note)
    model.load_state_dict(best, strict=False)
    return history


def letter_log_probabilities(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    recordings: Recordings,
    prompted: Sequence[PromptedRecording],
) -> torch.Tensor:
    """Log-probability of each option's letter as the next token, among all tokens.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        recordings: N recordings.
        prompted: B prompts about them.

    Returns:
        B by K, in the order of each prompt's options. Exponentials sum to less than 1: the rest of the probability
        is on other tokens.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    letters = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: recordings.p_NK.shape[1]]]
    texts = [_rendered(tokenizer, each.prompt, recordings.transcripts[each.row]) for each in prompted]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    audio_id = tokenizer.convert_tokens_to_ids(AUDIO)
    embed, project = model.model.language_model.embed_tokens, model.model.multi_modal_projector
    inputs = []
    for each, tokens in zip(prompted, ids, strict=True):
        embedded_TD = embed(torch.tensor(tokens))
        if audio_id in tokens:
            position = tokens.index(audio_id)
            audio_LD = project(recordings.tower_outputs[each.row])
            embedded_TD = torch.cat([embedded_TD[:position], audio_LD, embedded_TD[position + 1 :]])
        inputs.append(embedded_TD)
    lengths_B = torch.tensor([len(each) for each in inputs])
    mask_BT = (torch.arange(int(lengths_B.max()))[None] < lengths_B[:, None]).long()
    hidden_BTD = model.model.language_model(
        inputs_embeds=pad_sequence(inputs, batch_first=True), attention_mask=mask_BT, use_cache=False
    ).last_hidden_state
    last_BD = hidden_BTD[torch.arange(len(inputs)), lengths_B - 1]
    return torch.log_softmax(model.lm_head(last_BD), dim=1)[:, letters]


def predict(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    recordings: Recordings,
    prompted: Sequence[PromptedRecording],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distributions over labels, in label order, and the label mass of each prompt.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        recordings: N recordings.
        prompted: Q prompts about them.

    Returns:
        ``q_QK``, rows summing to 1, and ``mass_Q``, the probability of all letters together.
    """
    import torch

    q_QK = np.zeros((len(prompted), recordings.p_NK.shape[1]))
    mass_Q = np.zeros(len(prompted))
    with torch.inference_mode():
        for start in range(0, len(prompted), _INFERENCE_BATCH):
            batch = prompted[start : start + _INFERENCE_BATCH]
            p_BK = letter_log_probabilities(model, tokenizer, recordings, batch).double().exp().numpy()
            mass_Q[start : start + len(batch)] = p_BK.sum(1)
            shares_BK = p_BK / p_BK.sum(1, keepdims=True)
            for index, (each, share_K) in enumerate(zip(batch, shares_BK, strict=True), start=start):
                q_QK[index, list(each.prompt.order)] = share_K
    return q_QK, mass_Q


def _rendered(tokenizer: Any, prompt: Prompt, transcript: str | None) -> str:
    messages = prompt.messages(transcript, SPECIAL_TOKENS)
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def _validate(
    model: Any, tokenizer: Any, recordings: Recordings, prompted: list[PromptedRecording]
) -> dict[str, float]:
    """Scores of the mean of both prompts per recording."""
    q_QK, mass_Q = predict(model, tokenizer, recordings, prompted)
    q_NK = 0.5 * (q_QK[0::2] + q_QK[1::2])
    p_NK = recordings.p_NK[[each.row for each in prompted[0::2]]]
    return validation_scores(p_NK, q_NK) | {
        "validation_accuracy": float((q_NK.argmax(1) == p_NK.argmax(1)).mean()),
        "label_mass": float(mass_Q.mean()),
    }


def _copied_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items() if "audio_tower" not in name}
