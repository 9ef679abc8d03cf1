"""The Markdown pages of a trial and of a corpus profile, line by line."""

from __future__ import annotations

from typing import Any

from ambivox.models.reporting.profile_page import profile_markdown, profile_summary
from ambivox.models.reporting.trial_page import trial_markdown
from tests.support.report_run import PROFILE


def _trial_row(estimate: dict[str, float]) -> dict[str, Any]:
    by_tertile = {
        name: {"squared_error_over_human": {"value": value}}
        for name, value in (("low", 0.98), ("medium", 0.74), ("high", 0.64))
    }
    figures = ("nll", "squared_error", "js", "squared_error_over_human", "over_human")
    row = {"votes": 3, "source": "pooled", "nll_infinite": 0, "independent_votes": by_tertile}
    return row | dict.fromkeys(figures, estimate)


def test_the_trial_is_one_table() -> None:
    estimate = {"value": 0.1784, "low": 0.172, "high": 0.185}
    row = {**_trial_row(estimate), "nll": {"value": 1.2, "low": 1.1, "high": 1.3}}
    assert trial_markdown([row]) == (
        "nll (nats per vote), squared error and JS (base-2 divergence) to the votes not kept; the squared error and JS "
        "over those of the humans alone; squared error over the humans' by ambiguity tertile [95 % over speakers]\n"
        "\n"
        "| votes | source | nll | squared error | JS | squared error over human | JS over human | low | medium | high |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        "| 3 | pooled | 1.200 [1.100, 1.300] | 0.178 [0.172, 0.185] | 0.178 [0.172, 0.185] | 0.18 [0.17, 0.18] "
        "| 0.18 [0.17, 0.18] | 0.98 | 0.74 | 0.64 |\n"
    )


def test_the_trial_says_what_is_undefined_and_what_was_resampled() -> None:
    estimate = {"value": 0.1784, "low": 0.172, "high": 0.185}
    undefined = {"value": None, "low": None, "high": None}
    row = _trial_row(estimate) | {"nll": undefined, "nll_infinite": 4, "over_human": undefined}
    text = trial_markdown([row | {"intervals_over": "utterances", "independent_votes": None}])
    assert "[95 % over utterances]" in text
    assert "| pooled | infinite | 0.178" in text
    assert "| undefined | too few votes | too few votes | too few votes |" in text


def test_the_profile_is_tables_with_escaped_text() -> None:
    lines = profile_markdown(PROFILE).splitlines()
    assert lines[:4] == [r"# a\_corpus", "", "| | |", "|---|---|"]
    for line in (
        "| utterances | 1,200 |",
        "| votes per utterance | 2 to 3, mean 2.50 |",
        "| Krippendorff's alpha | not defined |",
        "| test | 300 | 1 | 0.38 | 750 |",
        "| sad | 75.0% | |",
        r"| \<b\> | 25.0% | |",
        "| bored | | 7 |",
        r"| no \| audio | 2 |",
    ):
        assert line in lines
    splits = [line.split()[1] for line in lines if line.count("| 300 |")]
    assert splits == ["pretrain", "train", "development", "test"]


def test_the_summary_has_no_control_characters() -> None:
    summary = profile_summary(PROFILE)
    assert "\x1b" not in summary
    assert "dropped votes                    bored 7" in summary.splitlines()
    assert summary.splitlines()[-1] == "note: synthetic[2J"
