"""What the whole embedded ALM answers to annotation prompts about recordings that its tower has heard already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.tokenizer import AUDIO, LETTERS, SPECIAL_TOKENS
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Prompt, option_orders

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

_BATCH = 32


@dataclass(frozen=True)
class Question:
    """A prompt about one recording.

    Attributes:
        prompt: the prompt.
        transcript: what is said, where it is known.
        tower_output_LD: the tower's output for the recording, frames by width.
    """

    prompt: Prompt
    transcript: str | None
    tower_output_LD: torch.Tensor


def questions_on(
    labels: tuple[str, ...], transcripts: Sequence[str | None], tower_outputs: Sequence[torch.Tensor]
) -> Iterator[Question]:
    """Two questions per recording, one after the other: balanced option orders, personas in turn."""
    orders = option_orders(len(labels), 2)
    for index, (transcript, tower_output_LD) in enumerate(zip(transcripts, tower_outputs, strict=True)):
        for order in orders:
            prompt = Prompt(BUILT_IN[index % len(BUILT_IN)], order, labels)
            yield Question(prompt, transcript, tower_output_LD)


def answer(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[Question],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distributions over labels, in label order, and the label mass of each answer.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        questions: Q prompts with one label set of K labels.

    Returns:
        ``q_QK``, rows summing to 1, and ``mass_Q``, the probability of all options' letters together.
    """
    import torch

    q_QK = np.zeros((len(questions), len(questions[0].prompt.labels)))
    mass_Q = np.zeros(len(questions))
    with torch.inference_mode():
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            p_BK = _letter_log_probabilities(model, tokenizer, batch).double().exp().numpy()
            mass_Q[start : start + len(batch)] = p_BK.sum(1)
            shares_BK = p_BK / p_BK.sum(1, keepdims=True)
            for index, (question, share_K) in enumerate(zip(batch, shares_BK, strict=True), start=start):
                q_QK[index, list(question.prompt.order)] = share_K
    return q_QK, mass_Q


def _letter_log_probabilities(model: Any, tokenizer: Any, questions: Sequence[Question]) -> torch.Tensor:
    """Log-probability of each option's letter as the next token, in the order of the options: B by K."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    letters = [
        tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: len(questions[0].prompt.labels)]
    ]
    ids = tokenizer([_rendered(tokenizer, each) for each in questions], add_special_tokens=False)["input_ids"]
    audio_id = tokenizer.convert_tokens_to_ids(AUDIO)
    embed, project = model.model.language_model.embed_tokens, model.model.multi_modal_projector
    inputs = []
    for question, tokens in zip(questions, ids, strict=True):
        embedded_TD = embed(torch.tensor(tokens))
        position = tokens.index(audio_id)
        audio_LD = project(question.tower_output_LD)
        inputs.append(torch.cat([embedded_TD[:position], audio_LD, embedded_TD[position + 1 :]]))
    lengths_B = torch.tensor([len(each) for each in inputs])
    mask_BT = (torch.arange(int(lengths_B.max()))[None] < lengths_B[:, None]).long()
    hidden_BTD = model.model.language_model(
        inputs_embeds=pad_sequence(inputs, batch_first=True), attention_mask=mask_BT, use_cache=False
    ).last_hidden_state
    last_BD = hidden_BTD[torch.arange(len(inputs)), lengths_B - 1]
    return torch.log_softmax(model.lm_head(last_BD), dim=1)[:, letters]


def _rendered(tokenizer: Any, question: Question) -> str:
    messages = question.prompt.messages(question.transcript, SPECIAL_TOKENS)
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text
