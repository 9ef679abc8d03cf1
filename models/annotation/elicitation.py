"""Elicitation: the questions that an ALM answers about each utterance.

exact       One forward pass per prompt. The probabilities of the answer codes as the next token are the distribution.
sampled     "Scaling Ambiguity" (arXiv 2601.14620): synthetic annotator i answers once, with persona i mod 5 and a
            temperature from step i mod 5 of a ladder, with jitter. An annotator keeps its temperature on all utterances.
verbalised  The model writes a distribution as JSON that follows a schema.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import (
    ALPHABETS,
    Elicitation,
    Modality,
    Prompt,
    build_prompts,
    option_orders,
)

LADDER = ((0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 0.93))
_JITTER = 0.05


@dataclass(frozen=True)
class Question:
    """A prompt and how its answer is drawn.

    Attributes:
        prompt: the prompt.
        temperature: the sampling temperature; 1 where nothing is sampled.
        annotator: the number of the synthetic annotator; None unless the elicitation is sampled.
        seed: the seed of the run; None where nothing is sampled.
    """

    prompt: Prompt
    temperature: float = 1.0
    annotator: int | None = None
    seed: int | None = None

    def draw_seed(self, key: str) -> int:
        """The seed of the answer about one utterance, so that utterances do not share random numbers.

        Args:
            key: the key of the work item.

        Returns:
            A seed between 0 and 2^31 - 1.
        """
        digest = hashlib.sha256(f"{self.seed}:{self.annotator}:{key}".encode()).digest()
        return int.from_bytes(digest[:4]) >> 1


def plan_questions(
    labels: tuple[str, ...],
    personas: tuple[Persona, ...],
    *,
    elicitation: Elicitation,
    orders: int,
    modality: Modality,
    votes: int,
    seed: int,
    codes: str = ALPHABETS[0],
) -> tuple[Question, ...]:
    """The questions that are asked about each utterance.

    Args:
        labels: K labels.
        personas: P personas. Exact and verbalised elicitation ask P x ``orders`` questions.
        elicitation: see the module.
        orders: the number of balanced option orders (see ``option_orders``).
        modality: the input of the model: the audio, the transcript, or both.
        votes: the number of synthetic annotators, with one question each; for sampled elicitation only.
        seed: the seed of the annotators' temperatures and answers.
        codes: the answer codes.

    Returns:
        The questions in a fixed order.

    Raises:
        UserError: the labels or orders are invalid, or the elicitation is sampled and ``votes`` is below 1.
    """
    prompts = build_prompts(labels, personas, orders, modality=modality, elicitation=elicitation, codes=codes)
    if elicitation != "sampled":
        return tuple(Question(prompt) for prompt in prompts)
    if votes < 1:
        raise UserError(
            f"elicitation sampled needs --drawn-votes of at least 1 (the number of synthetic annotators), found {votes}"
        )
    by_order = [
        [prompt for prompt in prompts if prompt.order == order]
        for order in option_orders(len(labels), orders)
    ]
    return tuple(
        Question(
            by_order[annotator // len(personas) % len(by_order)][annotator % len(personas)],
            ladder_temperature(annotator, seed),
            annotator,
            seed,
        )
        for annotator in range(votes)
    )


def ladder_temperature(annotator: int, seed: int) -> float:
    """The temperature of a synthetic annotator: uniform in ladder step i mod 5, with jitter, clipped to [0.1, 1].

    Args:
        annotator: the number i of the annotator, from 0.
        seed: the seed of the run.

    Returns:
        The temperature, rounded to 4 digits.
    """
    low, high = LADDER[annotator % len(LADDER)]
    rng = np.random.default_rng([seed, annotator])
    return round(float(np.clip(rng.uniform(low, high) + rng.uniform(-_JITTER, _JITTER), 0.1, 1.0)), 4)
