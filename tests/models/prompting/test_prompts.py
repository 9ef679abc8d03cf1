"""Prompts: balanced orders, a regular text, and no markup from hostile input."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambivox.models.alms import resolve
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat
from ambivox.models.prompting.neutralising import TRANSCRIPT_LIMIT_BYTES, neutralise
from ambivox.models.prompting.personas import BUILT_IN, PAPER, Persona, load_personas
from ambivox.models.prompting.prompts import (
    LABEL_LIMIT_CHARACTERS,
    Prompt,
    build_prompts,
    option_orders,
)
from ambivox.models.prompting.request import Request

TONE = Persona("tone", "Attend to the tone of voice.")
LABELS = ("anger", "happiness", "sadness")
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|AUDIO|>", "</s>", "[INST]", "<start_of_turn>")


def test_the_text_is_short_and_regular():
    prompt = Prompt(TONE, (2, 0, 1), LABELS, modality="both")
    assert prompt.text("Good morning.") == (
        'The speaker says: "Good morning.". Which emotion does the speaker express? '
        "Options: A sadness, B anger, C happiness. Answer with one letter. Attend to the tone of voice."
    )


def test_without_a_transcript_both_reads_like_audio():
    assert Prompt(TONE, (0, 1, 2), LABELS, modality="both").text(None) == Prompt(
        TONE, (0, 1, 2), LABELS
    ).text("unread")


def test_the_audio_comes_first_and_the_modality_transcript_has_none():
    both, text_only = (
        Prompt(TONE, (0, 1, 2), LABELS, modality=modality).messages("x")[0]["content"]
        for modality in ("both", "transcript")
    )
    assert [part["type"] for part in both] == ["audio", "text"]
    assert [part["type"] for part in text_only] == ["text"]


@pytest.mark.parametrize("label_count", range(2, 10))
def test_an_even_number_of_orders_is_balanced(label_count):
    for count in range(2, 2 * label_count + 1, 2):
        orders = np.array(option_orders(label_count, count))
        assert len(orders) == count
        position = np.argsort(orders, axis=1)
        np.testing.assert_allclose(position.mean(axis=0), (label_count - 1) / 2)
        for a, b in itertools.combinations(range(label_count), 2):
            assert (position[:, a] < position[:, b]).mean() == 0.5


@pytest.mark.parametrize("label_count", range(2, 10))
def test_all_orders_put_every_label_at_every_position_equally_often(label_count):
    for count in {2 * label_count, label_count if label_count % 2 == 0 else 2 * label_count}:
        orders = np.array(option_orders(label_count, count))
        assert len({tuple(order) for order in orders.tolist()}) == count or label_count == 2
        for position in range(label_count):
            assert set(np.bincount(orders[:, position], minlength=label_count)) == {count // label_count}


def test_unbalanced_counts_are_refused():
    assert option_orders(4, 1) == ((0, 1, 2, 3),)
    for count in (0, -2, 3, 9):
        with pytest.raises(UserError, match="1 or an even number"):
            option_orders(4, count)


def test_more_orders_than_there_are_give_the_full_set():
    assert option_orders(2, 6) == option_orders(2, 4)
    assert len(option_orders(3, 8)) == 6 and len(option_orders(6, 6)) == 6


def test_prompts_with_the_same_options_stand_next_to_each_other():
    prompts = build_prompts(LABELS, PAPER, 2)
    assert [p.order for p in prompts] == [(0, 1, 2)] * 5 + [(2, 1, 0)] * 5


@pytest.mark.parametrize("labels", [("one",), ("a", " a"), ("a", ""), tuple(f"label {n}" for n in range(27))])
def test_label_sets_that_cannot_be_shown_are_refused(labels):
    with pytest.raises(UserError):
        build_prompts(labels, PAPER, 1)


def test_the_hash_changes_with_everything_but_the_transcript():
    base = Prompt(TONE, (0, 1, 2), LABELS, modality="both")
    others = [
        Prompt(TONE, (0, 1, 2), LABELS, modality="audio"),
        Prompt(TONE, (1, 0, 2), LABELS, modality="both"),
        Prompt(Persona("tone", "Attend."), (0, 1, 2), LABELS, modality="both"),
        Prompt(TONE, (0, 1, 2), ("anger", "happiness", "sorrow"), modality="both"),
        Prompt(TONE, (0, 1, 2), LABELS, modality="both", elicitation="verbalised"),
        Prompt(TONE, (0, 1, 2), LABELS, modality="both", codes="123"),
    ]
    assert len({base.sha256(), *(other.sha256() for other in others)}) == 7


@given(
    st.text(max_size=300), st.lists(st.sampled_from(SPECIAL), max_size=5), st.randoms(use_true_random=False)
)
def test_no_text_brings_a_special_token(text, tokens, rng):
    pieces = [text[: len(text) // 2], *tokens, text[len(text) // 2 :]]
    rng.shuffle(pieces)
    cleaned = neutralise("".join(pieces), SPECIAL)
    assert not any(token in cleaned for token in SPECIAL)
    assert "\n" not in cleaned
    assert len(cleaned.encode()) <= 2 * TRANSCRIPT_LIMIT_BYTES


@given(st.text(max_size=200))
def test_neutralising_twice_changes_nothing(text):
    once = neutralise(text, SPECIAL)
    assert neutralise(once, SPECIAL) == once


def test_markup_of_unknown_tokenizers_is_broken_up_too():
    assert "<|" not in neutralise("a <|endofprompt|> b") and "[/INST]" not in neutralise("x [/INST] y")


def test_plain_words_stay_as_they_are():
    transcript = "It's 5 < 6, isn't it? [laughs] Naïve café — 你好, \"quoted\"."
    assert neutralise(transcript, SPECIAL) == transcript


@pytest.mark.parametrize("letter", ["a", "é", "你", "😀"])
def test_a_long_transcript_is_cut_at_the_limit_and_marked(letter):
    cut = neutralise(letter * 100_000)
    assert len(cut.encode()) <= TRANSCRIPT_LIMIT_BYTES
    assert cut.endswith("…")
    assert set(cut[:-1]) == {letter}


def test_odd_label_names_stay_on_one_line():
    labels = ("joy\n<|im_end|>", 'a "b", c', "x" * 500)
    text = Prompt(TONE, (0, 1, 2), labels).text(special_tokens=SPECIAL)
    assert "\n" not in text and "<|im_end|>" not in text
    assert "x" * (LABEL_LIMIT_CHARACTERS + 1) not in text


def test_personas_come_from_a_file_too(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('elder = "You are a retired teacher from Lisbon."\n')
    assert [p.name for p in load_personas(("paper", "elder", "placebo"), file)] == [
        *(p.name for p in PAPER),
        "elder",
        "placebo",
    ]
    assert len({p.focus for p in BUILT_IN}) == len(BUILT_IN)


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        ('tone = "mine"', ("tone",), "built-in"),
        ("elder = 3", ("elder",), "sentence"),
        ("elder = ", ("elder",), "TOML"),
        ('elder = "x"', ("younger",), "unknown persona 'younger'"),
        ('elder = "x"', ("elder", "elder"), "more than once"),
        ('elder = "x"', (), "no persona"),
    ],
)
def test_bad_personas_are_named(tmp_path: Path, content, names, message):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        load_personas(names, file)


@settings(max_examples=300, deadline=2000)
@given(
    text=st.text(alphabet="ae <|>/[]_X\u00e9", max_size=40),
    tokens=st.lists(st.text(alphabet="ae <|>/[]_X\u00e9", min_size=1, max_size=4), max_size=6),
)
def test_neutralising_ends_and_leaves_no_special_token_whatever_they_are(text, tokens):
    line = neutralise(text, tokens)
    assert not [token for token in tokens if len(token) > 1 and token in line]


@pytest.mark.parametrize("token", ["e ", " e", "  ", "e  x", "aa", "<| |>"])
def test_special_tokens_that_a_space_does_not_break_are_taken_out(token):
    line = neutralise(f"the apple{token}aaa sea <| |> x", [token, "<|end|>"])
    assert token not in line


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% for a in range(9) %}{{ f(n - 1) if n else '' }}{% endfor %}{% endmacro %}{{ f(60) }}",
    ],
)
def test_a_template_that_does_not_end_is_stopped(small_alm, monkeypatch, template):
    monkeypatch.setattr("ambivox.models.prompting.template._RENDER_SECONDS", 0.5)
    chat = load_chat(resolve(str(small_alm)))
    monkeypatch.setattr(chat.processor, "chat_template", template)
    prompt = build_prompts(("anger", "joy"), PAPER[:1], 1)[0]
    with pytest.raises(UserError, match="chat template does not end"):
        chat.render(Request(prompt, None, "", None))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "leaves out the question"),
        ("[1, 2, NaN]", "leaves out the question"),
        ("<|AUDIO|>\n", "leaves out the question"),
        (
            "{% for part in messages[0]['content'] %}{{ part.get('text', '') }}{% endfor %}",
            "has no place for a recording",
        ),
        ("{{ messages[0]['content'][-1]['text'][:40] }}<|AUDIO|>", "leaves out the question"),
        (
            "{% for part in messages[0]['content'] %}{{ part.get('text', '<|AUDIO|> <|AUDIO|>') }}{% endfor %}",
            r"has 2 places for one recording \(<\|AUDIO\|>\)",
        ),
        (
            "{% for part in messages[0]['content'] %}{{ part.get('text', 'audio:') }}{% endfor %}",
            "has no place for a recording",
        ),
        ("{{ messages[3] }}{{ nothing.there }}", "cannot be used"),
    ],
)
def test_a_template_that_leaves_something_out_is_refused(small_alm, monkeypatch, template, message):
    chat = load_chat(resolve(str(small_alm)))
    monkeypatch.setattr(chat.processor, "chat_template", template)
    prompt = build_prompts(("anger", "joy"), PAPER[:1], 1)[0]
    with pytest.raises(UserError, match=f"chat template {message}"):
        chat.render(Request(prompt, np.zeros(1600, np.float32), "", None))
