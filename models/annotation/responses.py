"""From an ALM's responses to labels and distributions: option order, windows, normalisation, and parsers of text."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.prompting.prompts import Prompt

# Below this label mass the response counts as a refusal: nearly all probability is on tokens that are no option.
REFUSAL_MASS = 0.01
# 26 codes and their percentages, with room for white space.
MAX_JSON_TOKENS = 256
# Close to the logarithm of the smallest positive float64.
_LOWEST_LOGPROB = -745.0
_ENDLESS_CODES = 8


def to_label_order(values_RK: NDArray[np.float64], order_RK: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reorder values from the order in which the options were shown to the order of the labels.

    Args:
        values_RK: one value per response and shown option.
        order_RK: ``order_RK[r, i]`` is the label at position i in response r.

    Returns:
        The values in label order, shape (R, K).

    Example:
        >>> to_label_order(np.array([[0.5, 0.3, 0.2]]), np.array([[2, 0, 1]])).tolist()
        [[0.3, 0.2, 0.5]]
    """
    by_label_RK = np.empty_like(values_RK)
    np.put_along_axis(by_label_RK, order_RK, values_RK, axis=1)
    return by_label_RK


def average_windows(
    p_RK: NDArray[np.float64], weight_R: NDArray[np.float64], group_R: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    """The weighted mean of the rows of each group, such as the windows of a long clip weighted by duration.

    Args:
        p_RK: one distribution per row.
        weight_R: the weight of each row.
        group_R: the group of each row, 0 to ``groups`` - 1.
        groups: the number of groups, G.

    Returns:
        The means, shape (G, K).

    Example:
        >>> average_windows(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3.0, 1.0]), np.array([0, 0]), 1).tolist()
        [[0.75, 0.25]]
    """
    total_GK = np.zeros((groups, p_RK.shape[1]))
    weight_G = np.zeros(groups)
    np.add.at(total_GK, group_R, p_RK * weight_R[:, None])
    np.add.at(weight_G, group_R, weight_R)
    return total_GK / np.maximum(weight_G, np.finfo(float).tiny)[:, None]


def normalise(p_GK: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Condition on the answer being a label.

    Args:
        p_GK: the probability of each label; the rest of 1 is on other tokens.

    Returns:
        Natural-log probabilities that sum to 1 per row, shape (G, K), finite even for probability 0; and the label
        mass, shape (G,), at most 1.

    Example:
        >>> logprobs_GK, mass_G = normalise(np.array([[0.3, 0.1]]))
        >>> np.exp(logprobs_GK).round(4).tolist(), mass_G.round(4).tolist()
        ([[0.75, 0.25]], [0.4])
    """
    mass_G = p_GK.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_GK = np.log(p_GK) - np.log(mass_G)[:, None]
    finite_GK = np.nan_to_num(log_GK, nan=_LOWEST_LOGPROB, neginf=_LOWEST_LOGPROB)
    return np.maximum(finite_GK, _LOWEST_LOGPROB), np.minimum(mass_G, 1.0)


def parse_letter(response: str, prompt: Prompt) -> str | None:
    """The label that a sampled response names.

    The rules apply in this order: a code alone; a label name alone; exactly one label name inside the text (the rule
    of arXiv 2601.14620); a code before a space or punctuation; the first of eight or more codes without anything else.

    Args:
        response: the text that the model wrote.
        prompt: the prompt that it answers.

    Returns:
        A label, or None where the response names no label or more than one.
    """
    text = response.strip().strip("\"'().,:;*").strip()
    label_of_code = dict(zip(prompt.codes, (prompt.labels[label] for label in prompt.order), strict=False))
    if text in label_of_code:
        return label_of_code[text]
    lowered = text.casefold()
    for label in prompt.labels:
        if label.casefold() == lowered:
            return label
    named = [label for label in prompt.labels if _is_named(label.casefold(), lowered)]
    # A label that is part of another named label ("sad" in "very sad") does not count.
    maximal = [label for label in named if not any(label != other and label in other for other in named)]
    if len(maximal) == 1:
        return maximal[0]
    if named:
        return None
    leading_code = re.match(r"([A-Za-z0-9])[\s.:,)]", text + " ")
    # A model that was not trained to stop writes codes until the limit of tokens; no word is as long as that.
    if leading_code is None and len(text) >= _ENDLESS_CODES and set(text) <= label_of_code.keys():
        return label_of_code[text[0]]
    return label_of_code.get(leading_code[1]) if leading_code else None


def _is_named(label: str, text: str) -> bool:
    """Whether a label is in a text as a word of its own: "happy" is not in "unhappy"."""
    before = "" if _has_no_blanks(label[:1]) else r"(?<![^\W_])"
    after = "" if _has_no_blanks(label[-1:]) else r"(?![^\W_])"
    return label in text and re.search(f"{before}{re.escape(label)}{after}", text) is not None


def _has_no_blanks(letter: str) -> bool:
    """Whether a letter is of a script without capitals, such as Chinese, whose words need no blanks between them."""
    return unicodedata.category(letter or " ") == "Lo"


def percentage_schema(prompt: Prompt) -> dict[str, Any]:
    """The JSON schema of a verbalised distribution.

    Args:
        prompt: the prompt whose codes are the properties.

    Returns:
        A schema that requires an integer from 0 to 100 for each code.
    """
    codes = prompt.codes[: len(prompt.labels)]
    percentage = {"type": "integer", "minimum": 0, "maximum": 100}
    return {
        "type": "object",
        "properties": dict.fromkeys(codes, percentage),
        "required": list(codes),
        "additionalProperties": False,
    }


def parse_percentages(response: str, prompt: Prompt) -> NDArray[np.float64] | None:
    """The distribution in a verbalised response.

    Args:
        response: the text that the model wrote.
        prompt: the prompt that it answers.

    Returns:
        Shares that sum to 1, in the order of the codes, shape (K,); None where the text holds no valid distribution.
        A missing code counts as 0.
    """
    json_object = re.search(r"\{[^{}]*\}", response)
    try:
        percentages = json.loads(json_object[0]) if json_object else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(percentages, dict):
        return None
    values = [percentages.get(code, 0) for code in prompt.codes[: len(prompt.labels)]]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    try:
        p_K = np.array(values, dtype=float)
    except OverflowError:  # an integer of 309 digits
        return None
    with np.errstate(over="ignore"):
        total = p_K.sum()
    if not np.isfinite(total) or (p_K < 0).any() or total <= 0:
        return None
    return np.asarray(p_K / total)
