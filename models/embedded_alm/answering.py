"""Stage 2 of the tiny ALM's training: projector and language model learn to answer the annotation prompt.

They start as the circuit of models/embedded_alm/circuit.py, which answers as the light head of stage 1 does, and are
trained on prompts with random option orders, personas and arms; the tower's outputs are computed once. The
target is mostly what the head says of the clip (distillation), partly the votes; without audio it is the prior.
The weights that did best on the speakers kept back are kept, the start included, so this never makes the
model worse for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.tokenizer import AUDIO, LETTERS, SPECIAL_TOKENS
from ambivox.models.progress import bar
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Modality, Prompt, option_orders

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration


@dataclass(frozen=True)
class AnsweringOptions:
    """How the language model is trained."""

    steps: int = 150
    batch: int = 16
    learning_rate: float = 3e-5
    votes_share: float = 0.3
    judged: int = 5  # how often, over the training, the clips kept back are asked
    seed: int = 0


@dataclass(frozen=True)
class Clips:
    """N clips as the language model meets them.

    ``heard`` holds each clip's tower output (frames x D); q_NK is what the head says of it, p_NK the votes' shares.
    """

    heard: Sequence[torch.Tensor]
    transcripts: Sequence[str | None]
    q_NK: NDArray[np.float64]
    p_NK: NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """One clip and one prompt about it."""

    clip: int
    prompt: Prompt


def train_answerer(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    clips: Clips,
    is_kept_back_N: NDArray[np.bool_],
    options: AnsweringOptions,
) -> list[dict[str, float]]:
    """Train in place, the tower excepted; returns what was measured on the clips kept back, the start first."""
    import torch

    rng = np.random.default_rng([options.seed, 7])
    torch.manual_seed(options.seed)
    train_rows, kept_rows = np.flatnonzero(~is_kept_back_N), np.flatnonzero(is_kept_back_N)
    prior_K = clips.p_NK[train_rows].mean(0)
    weights = [w for name, w in model.named_parameters() if "audio_tower" not in name]
    optimiser = torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0, betas=(0.9, 0.98))
    kept_questions = _fixed_questions(kept_rows, labels)
    best = {name: value.clone() for name, value in _trained(model).items()}
    history = [{"step": 0.0} | _judge(model, tokenizer, clips, kept_questions)]
    every = max(1, options.steps // options.judged)
    with bar() as progress:
        task = progress.add_task("Learning to answer", total=options.steps, note="")
        for step in range(1, options.steps + 1):
            questions = [
                _random_question(int(row), labels, clips, rng)
                for row in rng.choice(train_rows, options.batch)
            ]
            target = torch.from_numpy(
                np.stack([_target(q, clips, prior_K, options.votes_share) for q in questions])
            ).float()
            log_q = answer(model, tokenizer, clips, questions)
            # The letters stand in the prompt's own order; what goes to other tokens is lost from their mass.
            loss = -(target * log_q).sum(1).mean()
            for group in optimiser.param_groups:
                group["lr"] = options.learning_rate * min(
                    step / 20, (options.steps - step + 1) / options.steps
                )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            if step % every == 0:
                history.append({"step": float(step)} | _judge(model, tokenizer, clips, kept_questions))
                if history[-1]["validation_loss"] <= min(past["validation_loss"] for past in history):
                    best = {name: value.clone() for name, value in _trained(model).items()}
            progress.update(
                task, advance=1, note=f"loss {loss.item():.3f}  JS {history[-1]['validation_js']:.3f}"
            )
    model.load_state_dict(best, strict=False)
    return history


def answer(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    clips: Clips,
    questions: Sequence[Question],
) -> torch.Tensor:
    """Log-probability of each option's letter among all tokens, questions x K, options in the prompt's order."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    letters = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: clips.p_NK.shape[1]]]
    texts = [
        _rendered(tokenizer, question.prompt, clips.transcripts[question.clip]) for question in questions
    ]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    audio_id = tokenizer.convert_tokens_to_ids(AUDIO)
    embed, project = model.model.language_model.embed_tokens, model.model.multi_modal_projector
    rows = []
    for question, tokens in zip(questions, ids, strict=True):
        embedded = embed(torch.tensor(tokens))
        if audio_id in tokens:
            at = tokens.index(audio_id)
            embedded = torch.cat([embedded[:at], project(clips.heard[question.clip]), embedded[at + 1 :]])
        rows.append(embedded)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(int(lengths.max()))[None] < lengths[:, None]).long()
    hidden = model.model.language_model(
        inputs_embeds=pad_sequence(rows, batch_first=True), attention_mask=mask, use_cache=False
    ).last_hidden_state
    last = hidden[torch.arange(len(rows)), lengths - 1]
    return torch.log_softmax(model.lm_head(last), dim=1)[:, letters]


def _rendered(tokenizer: Any, prompt: Prompt, transcript: str | None) -> str:
    messages = prompt.messages(transcript, SPECIAL_TOKENS)
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def _random_question(row: int, labels: tuple[str, ...], clips: Clips, rng: np.random.Generator) -> Question:
    arms: tuple[Modality, ...] = ("audio", "both", "transcript") if clips.transcripts[row] else ("audio",)
    chances = np.array([0.6, 0.3, 0.1])[: len(arms)]
    modality = arms[int(rng.choice(len(arms), p=chances / chances.sum()))]
    order = tuple(int(label) for label in rng.permutation(len(labels)))
    return Question(row, Prompt(BUILT_IN[int(rng.integers(len(BUILT_IN)))], order, labels, modality))


def _fixed_questions(rows: NDArray[np.int64], labels: tuple[str, ...]) -> list[Question]:
    """Each clip in two balanced orders, personas by turns."""
    orders = option_orders(len(labels), 2)
    return [
        Question(int(row), Prompt(BUILT_IN[place % len(BUILT_IN)], order, labels))
        for place, row in enumerate(rows)
        for order in orders
    ]


def _target(
    question: Question, clips: Clips, prior_K: NDArray[np.float64], votes_share: float
) -> NDArray[np.float64]:
    """The wanted distribution over letters: position i stands for the label ``order[i]``."""
    if question.prompt.modality == "transcript":
        wanted_K = prior_K
    else:
        wanted_K = votes_share * clips.p_NK[question.clip] + (1 - votes_share) * clips.q_NK[question.clip]
    return np.asarray(wanted_K[list(question.prompt.order)])


def ask(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    clips: Clips,
    questions: Sequence[Question],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distributions over labels (not letters), one row a question, and their label mass."""
    import torch

    q_QK = np.zeros((len(questions), clips.p_NK.shape[1]))
    mass_Q = np.zeros(len(questions))
    with torch.inference_mode():
        for start in range(0, len(questions), 32):
            part = questions[start : start + 32]
            said = answer(model, tokenizer, clips, part).double().exp().numpy()
            mass_Q[start : start + len(part)] = said.sum(1)
            for place, (question, row) in enumerate(
                zip(part, said / said.sum(1, keepdims=True), strict=True)
            ):
                q_QK[start + place, list(question.prompt.order)] = row
    return q_QK, mass_Q


def _judge(model: Any, tokenizer: Any, clips: Clips, questions: list[Question]) -> dict[str, float]:
    """Cross entropy (nats) and JS (base 2) to the votes of the clips kept back, two orders averaged; label mass."""
    from ambivox.models.statistics.metrics import jensen_shannon

    q_QK, mass_Q = ask(model, tokenizer, clips, questions)
    q_NK = 0.5 * (q_QK[0::2] + q_QK[1::2])
    p_NK = clips.p_NK[[question.clip for question in questions[0::2]]]
    return {
        "validation_loss": float(-(p_NK * np.log(q_NK + 1e-12)).sum(1).mean()),
        "validation_js": float(jensen_shannon(p_NK, q_NK).mean()),
        "validation_accuracy": float((q_NK.argmax(1) == p_NK.argmax(1)).mean()),
        "label_mass": float(mass_Q.mean()),
    }


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if "audio_tower" not in name}
