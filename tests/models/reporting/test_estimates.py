"""Estimates: every shape in which JSON files store them, and how they are written."""

from __future__ import annotations

import math

import pytest

from ambivox.models.reporting.estimates import (
    Estimate,
    display_name,
    format_estimate,
    format_number,
    parse_estimate,
    parse_measure,
)


def test_estimates_are_read_in_every_shape() -> None:
    expected = Estimate(0.2, 0.1, 0.3)
    for raw in (
        [0.2, 0.1, 0.3],
        {"value": 0.2, "low": 0.1, "high": 0.3},
        {"mean": 0.2, "interval": [0.1, 0.3]},
    ):
        assert parse_estimate(raw) == expected
    assert parse_measure({"js": 0.2, "js_low": 0.1, "js_high": 0.3}, "js") == expected
    assert parse_measure({"js": 0.2, "js_ci": [0.1, 0.3]}, "js") == expected
    assert parse_measure({"js": {"value": 0.2, "low": 0.1, "high": 0.3}}, "js") == expected


@pytest.mark.parametrize("raw", ["0.2", True, None, math.nan, math.inf, {}, [0.1], {"low": 0.1}])
def test_what_is_no_estimate_is_none(raw: object) -> None:
    assert parse_estimate(raw) is None
    assert parse_measure({"js": raw}, "js") is None
    assert parse_measure(raw, "js") is None


def test_numbers_have_about_three_digits() -> None:
    assert [format_number(v) for v in (12345, 0.2144, 3.268, 4.1e-5, 0.0)] == [
        "12,345",
        "0.214",
        "3.27",
        "4.1e-05",
        "0.000",
    ]
    assert [format_number(v) for v in (True, False, math.nan, 123.4, 12.34)] == [
        "yes",
        "no",
        "–",
        "123",
        "12.3",
    ]


def test_estimates_are_written_with_their_intervals() -> None:
    assert format_estimate(None) == "–"
    assert format_estimate(Estimate(0.5)) == "0.500"
    assert format_estimate(Estimate(0.72, 0.7, 0.74), percent=True) == "72.0% [70.0%, 74.0%]"


def test_intervals_overlap_where_they_share_a_point() -> None:
    assert Estimate(1, 0, 2).overlaps(Estimate(3, 2, 4)) is True
    assert Estimate(1, 0, 2).overlaps(Estimate(5, 4, 6)) is False
    assert Estimate(1).overlaps(Estimate(5, 4, 6)) is None


def test_keys_are_written_for_a_reader() -> None:
    assert display_name("krippendorff_alpha") == "Krippendorff’s α"
    assert display_name("votes_per_utterance") == "votes per utterance"
