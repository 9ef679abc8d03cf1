"""The meaning of a response: option order, windows, label mass, and parsers of text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambivox.models.annotation.responses import (
    average_windows,
    normalise,
    parse_letter,
    parse_percentages,
    percentage_schema,
    to_label_order,
)
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Prompt

LABELS = ("anger", "sad", "sadness")
PROMPT = Prompt(Persona("p", "Listen."), (2, 0, 1), LABELS)


def test_letters_go_back_to_their_labels():
    shown = np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    order = np.array([[2, 0, 1], [0, 1, 2]])
    np.testing.assert_allclose(np.exp(to_label_order(shown, order)), [[0.3, 0.2, 0.5], [0.1, 0.2, 0.7]])


def test_windows_count_by_their_duration():
    p_RK = np.array([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])
    averaged = average_windows(p_RK, np.array([3.0, 1.0, 2.0]), np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(averaged, [[0.65, 0.35], [0.5, 0.5]])


def test_mass_is_what_all_labels_got_and_the_rest_is_normalise():
    logprobs, mass = normalise(np.array([[0.3, 0.1], [1e-320, 0.0]]))
    np.testing.assert_allclose(mass, [0.4, 0.0], atol=1e-12)
    np.testing.assert_allclose(np.exp(logprobs[0]), [0.75, 0.25])
    assert np.isfinite(logprobs).all()


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("A", "sadness"),
        (" b. ", None),
        ("B.", "anger"),
        ("(C)", "sad"),
        ("Sadness", "sadness"),
        ("SAD", "sad"),
        ("The speaker sounds sad, I think", "sad"),
        ("deep sadness", "sadness"),
        ("anger or sadness", None),
        ("A: sadness", "sadness"),
        ("C) it is", "sad"),
        ("I cannot tell", None),
        ("", None),
        ("D", None),
        ("<|im_end|>", None),
        ("CCCCCCCCCCCCCCCC", "sad"),
        ("AAAAABAAAAAAAAAC", "sadness"),
        ("BBBBBBBBBBBBBBB.", "anger"),
        ("CAB", None),
        ("CCCCCCCCCCCCCCCD", None),
        ("sad CCCCCCCC", "sad"),
    ],
)
def test_answers_are_read_as_the_paper_reads_them(answer, label):
    assert parse_letter(answer, PROMPT) == label


@pytest.mark.parametrize(
    ("answer", "shares"),
    [
        ('{"A": 50, "B": 30, "C": 20}', [0.5, 0.3, 0.2]),
        ('Sure: {"A": 1, "B": 1}', [0.5, 0.5, 0.0]),
        ('{"A": 0, "B": 0, "C": 0}', None),
        ('{"A": -1, "B": 2}', None),
        ('{"A": "much"}', None),
        ("no", None),
        ('{"A": true}', None),
        ('{"A": 1e999}', None),
        ('["A"]', None),
        ('{"A": NaN}', None),
    ],
)
def test_percentages(answer, shares):
    found = parse_percentages(answer, PROMPT)
    assert (found is None) == (shares is None)
    if shares is not None:
        np.testing.assert_allclose(found, shares)


@given(st.text(max_size=100))
def test_no_answer_breaks_the_parsers(answer):
    assert parse_letter(answer, PROMPT) in (None, *LABELS)
    shares = parse_percentages(answer, PROMPT)
    assert shares is None or abs(shares.sum() - 1) < 1e-9


def test_the_schema_asks_for_every_code():
    schema = percentage_schema(PROMPT)
    assert schema["required"] == ["A", "B", "C"] and json.dumps(schema)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("The speaker is unhappy.", None),
        ("an enjoyable talk", None),
        ("**joy**", "joy"),
        ("_joy_, I think", "joy"),
        ("It is joy.", "joy"),
        ("unhappy, no joy", "joy"),
        ("這是憤怒的聲音", "憤怒"),
    ],
)
def test_a_label_inside_a_word_is_not_named(answer, label):
    labels = ("happy", "joy", "憤怒")
    assert parse_letter(answer, Prompt(Persona("p", "Listen."), (0, 1, 2), labels, codes="\0" * 3)) == label
