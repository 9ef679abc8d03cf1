"""The questions of each elicitation: personas and orders, the paper's temperature ladder, seeds."""

from __future__ import annotations

import pytest

from ambivox.models.annotation.elicitation import LADDER, ladder_temperature, plan_questions
from ambivox.models.errors import UserError
from ambivox.models.prompting.personas import PAPER

LABELS = ("anger", "sad", "sadness")


def questions(elicitation, votes=0, orders=2):
    return plan_questions(
        LABELS, PAPER, elicitation=elicitation, orders=orders, modality="audio", votes=votes, seed=3
    )


def test_exact_asks_every_persona_in_every_order():
    planned = questions("exact")
    assert len({(q.prompt.persona.name, q.prompt.order) for q in planned}) == len(planned) == 10
    assert {q.seed for q in planned} == {None}


def test_sampled_is_the_papers_ladder():
    planned = questions("sampled", votes=20)
    assert [q.prompt.persona.name for q in planned] == [PAPER[i % 5].name for i in range(20)]
    for number, question in enumerate(planned):
        low, high = LADDER[number % 5]
        assert max(0.1, low - 0.05) <= question.temperature <= min(1.0, high + 0.05)
        assert question.temperature == ladder_temperature(number, 3)
    # Both option orders are used equally often, and one annotator is the same however many others there are.
    assert len({q.prompt.order for q in planned}) == 2
    assert questions("sampled", votes=7) == planned[:7]


def test_sampled_without_votes_is_refused():
    with pytest.raises(UserError, match="--drawn-votes"):
        questions("sampled")


def test_draws_differ_between_clips_and_annotators_and_repeat():
    first, second = questions("sampled", votes=2)
    seeds = {first.draw_seed("a"), first.draw_seed("b"), second.draw_seed("a"), second.draw_seed("b")}
    assert len(seeds) == 4 and first.draw_seed("a") in seeds
