"""How an ALM is asked for its opinion, and what its answer means: exact, sampled, verbalised.

exact       one forward pass a prompt; the probabilities of the codes as the next token are the distribution.
sampled     "Scaling Ambiguity" (arXiv 2601.14620): synthetic annotator i answers once, with focus phrase i mod 5
            and the temperature of ladder step i mod 5, jittered, the same for one annotator always.
verbalised  the model writes a distribution as JSON, held to a schema.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
# Below this, the model gave nearly all its probability to something that is not an option: it did not answer.
REFUSAL_MASS = 0.01
# 26 codes and their percentages, with room for white space.
JSON_TOKENS = 256


@dataclass(frozen=True)
class Question:
    """A prompt, and how its answer is drawn.

    ``annotator`` numbers a synthetic annotator (sampled only); ``seed`` is the run's, null where nothing is drawn.
    """

    prompt: Prompt
    temperature: float = 1.0
    annotator: int | None = None
    seed: int | None = None

    def draw_seed(self, key: str) -> int:
        """A seed of this question about one clip, 0 to 2^31 - 1: clips do not share their random numbers."""
        digest = hashlib.sha256(f"{self.seed}:{self.annotator}:{key}".encode()).digest()
        return int.from_bytes(digest[:4]) >> 1


def ask(
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
    """Every question about one utterance.

    Args:
        labels: K labels.
        personas: P of them. exact and verbalised ask P x ``orders`` questions.
        elicitation: see the module.
        orders: balanced option orders (see ``option_orders``).
        modality: what the model is given: audio, transcript, both.
        votes: synthetic annotators, one question each; for sampled only.
        seed: of the annotators' temperatures and answers.
        codes: the answer codes.

    Raises:
        UserError: labels or orders that cannot be shown, or no votes to sample.
    """
    prompts = build_prompts(labels, personas, orders, modality=modality, elicitation=elicitation, codes=codes)
    if elicitation != "sampled":
        return tuple(Question(prompt) for prompt in prompts)
    if votes < 1:
        raise UserError("elicitation sampled needs --votes of 1 or more: the number of synthetic annotators")
    by_order = {
        order: [p for p in prompts if p.order == order] for order in option_orders(len(labels), orders)
    }
    rows = list(by_order.values())
    return tuple(
        Question(
            rows[annotator // len(personas) % len(rows)][annotator % len(personas)],
            ladder_temperature(annotator, seed),
            annotator,
            seed,
        )
        for annotator in range(votes)
    )


def ladder_temperature(annotator: int, seed: int) -> float:
    """The temperature of synthetic annotator i: uniform in ladder step i mod 5, jittered, kept in [0.1, 1]."""
    low, high = LADDER[annotator % len(LADDER)]
    rng = np.random.default_rng([seed, annotator])
    return round(float(np.clip(rng.uniform(low, high) + rng.uniform(-_JITTER, _JITTER), 0.1, 1.0)), 4)


def to_labels(logprobs_RK: NDArray[np.float64], order_RK: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log probabilities in code order, as they were shown, put into label order, row by row."""
    by_label_RK = np.empty_like(logprobs_RK)
    np.put_along_axis(by_label_RK, order_RK, logprobs_RK, axis=1)
    return by_label_RK


def average_windows(
    p_RK: NDArray[np.float64], weight_R: NDArray[np.float64], group_R: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    """The mean of each group's rows (a clip's windows), weighted by duration, (groups, K)."""
    total_GK = np.zeros((groups, p_RK.shape[1]))
    weight_G = np.zeros(groups)
    np.add.at(total_GK, group_R, p_RK * weight_R[:, None])
    np.add.at(weight_G, group_R, weight_R)
    return total_GK / np.maximum(weight_G, np.finfo(float).tiny)[:, None]


def normalised(p_GK: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Natural-log probabilities given that the answer is a label, (G, K), and the label mass, (G,)."""
    mass_G = p_GK.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_GK = np.log(p_GK) - np.log(mass_G)[:, None]
    # A label may have probability 0 in floating point; its logarithm stays finite for the table.
    return np.maximum(np.nan_to_num(log_GK, nan=-745.0, neginf=-745.0), -745.0), np.minimum(mass_G, 1.0)


def parse_letter(answer: str, prompt: Prompt) -> str | None:
    """The label that an answer names: by its code, then by its name exactly, then as a part (the paper's rule)."""
    said = answer.strip().strip("\"'().,:;*").strip()
    codes = dict(zip(prompt.codes, (prompt.labels[label] for label in prompt.order), strict=False))
    if said in codes:
        return codes[said]
    lowered = said.casefold()
    for label in prompt.labels:
        if label.casefold() == lowered:
            return label
    named = [label for label in prompt.labels if label.casefold() in lowered]
    # Two labels named is no answer; a label that is part of another one named ("sad" in "sadness") gives way.
    longest = [label for label in named if not any(label != other and label in other for other in named)]
    if len(longest) == 1:
        return longest[0]
    lead = re.match(r"([A-Za-z0-9])[\s.:,)]", said + " ")
    return codes.get(lead[1]) if lead and not named else None


def percentage_schema(prompt: Prompt) -> dict[str, Any]:
    """JSON schema of a verbalised distribution: every code, and a whole percentage for it."""
    codes = prompt.codes[: len(prompt.labels)]
    percentage = {"type": "integer", "minimum": 0, "maximum": 100}
    return {
        "type": "object",
        "properties": dict.fromkeys(codes, percentage),
        "required": list(codes),
        "additionalProperties": False,
    }


def parse_percentages(answer: str, prompt: Prompt) -> NDArray[np.float64] | None:
    """The distribution (in code order, summing to 1) of a JSON answer; None where it holds none."""
    found = re.search(r"\{[^{}]*\}", answer)
    try:
        shares = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(shares, dict):
        return None
    held = [shares.get(code, 0) for code in prompt.codes[: len(prompt.labels)]]
    if any(isinstance(share, bool) or not isinstance(share, int | float) for share in held):
        return None
    p_K = np.array(held, dtype=float)
    if not np.isfinite(p_K).all() or (p_K < 0).any() or p_K.sum() <= 0:
        return None
    return np.asarray(p_K / p_K.sum())
