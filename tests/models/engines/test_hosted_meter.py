"""The time left of a run on a hosted ALM: measured from answers, not from requests that are under way."""

from __future__ import annotations

import pytest

from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.journal import Spent
from ambivox.models.engines.hosted.meter import Meter
from ambivox.models.prompting.hosted_spec import Hosted

NOTHING = Spent(0, 0, 0, Usage(), Usage())
HOSTED = Hosted("provider", "http://localhost/v1", "model", "KEY")
ANSWER = Answer("A", "model", Usage(text=10, output=1))


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_line_is_as_right_as_later_ones(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    # 20 requests at a time, each of which takes 30 s, are answered in turn: 40 per minute.
    meter = Meter(HOSTED, NOTHING, expected=400, clock=clock)
    clock.seconds += 30.0
    with caplog.at_level("INFO"):
        for _ in range(100):
            meter.add(ANSWER)
            clock.seconds += 1.5
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 5
    assert all("40 requests per minute" in line for line in lines)
    assert "8 of about 400 answers" in lines[0] and lines[0].endswith("about 10 min left")
    assert lines[-1].endswith("about 8 min left")


def test_answers_that_earlier_runs_paid_for_are_no_pace(clock: Clock) -> None:
    meter = Meter(HOSTED, NOTHING, expected=100, clock=clock)
    for _ in range(60):
        meter.add(None)
    assert meter.describe().startswith("60 of about 100 answers")
    assert "left" not in meter.describe() and "per minute" not in meter.describe()
    for _ in range(2):
        meter.add(ANSWER)
        clock.seconds += 6.0
    assert "left" not in meter.describe()
    meter.add(ANSWER)
    assert meter.describe().endswith("10 requests per minute, about 4 min left")


def test_a_run_that_is_complete_has_no_time_left(clock: Clock) -> None:
    meter = Meter(HOSTED, NOTHING, expected=4, clock=clock)
    for _ in range(4):
        meter.add(ANSWER)
        clock.seconds += 1.0
    assert meter.describe().endswith("45 requests per minute")
