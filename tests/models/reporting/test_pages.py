"""The Markdown pages of a trial and of a corpus profile, line by line."""

from __future__ import annotations

from ambivox.models.reporting.profile_page import profile_markdown, profile_summary
from ambivox.models.reporting.trial_page import trial_markdown
from tests.support.report_run import PROFILE


def test_the_trial_is_one_table() -> None:
    estimate = {"value": 0.1784, "low": 0.172, "high": 0.185}
    thirds = {name: {"value": value} for name, value in (("low", 0.98), ("medium", 0.74), ("high", 0.64))}
    row = {"votes": 3, "source": "pooled", "js": estimate, "over_human": estimate, "entropy": thirds}
    assert trial_markdown([row]) == (
        "JS (base-2 divergence) to the votes not kept, over that of the humans alone [95 % over speakers]\n"
        "\n"
        "| votes | source | JS | over human | low | medium | high |\n"
        "|---|---|---|---|---|---|---|\n"
        "| 3 | pooled | 0.178 [0.172, 0.185] | 0.18 [0.17, 0.18] | 0.98 | 0.74 | 0.64 |\n"
    )


def test_the_trial_says_what_is_undefined_and_what_was_resampled() -> None:
    estimate = {"value": 0.1784, "low": 0.172, "high": 0.185}
    undefined = {"value": None, "low": None, "high": None}
    thirds = {"low": {"value": None}, "medium": {"value": 0.74}, "high": {"value": 0.64}}
    row = {"votes": 1, "source": "pooled", "js": estimate, "over_human": undefined, "entropy": thirds}
    text = trial_markdown([row | {"intervals_over": "utterances"}])
    assert "[95 % over utterances]" in text
    assert "| 1 | pooled | 0.178 [0.172, 0.185] | undefined | undefined | 0.74 | 0.64 |" in text


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
