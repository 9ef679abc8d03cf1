"""Time limits interrupt code in any thread, and nothing after it."""

from __future__ import annotations

import threading
import time

import pytest

from ambivox.models.time_limit import TimeLimitError, within


def endless() -> None:
    while True:
        sum(range(100))


@pytest.mark.parametrize("in_thread", [False, True])
def test_code_that_does_not_end_is_interrupted(in_thread):
    caught: list[BaseException] = []

    def call() -> None:
        try:
            within(0.2, endless)
        except TimeLimitError as error:
            caught.append(error)

    started = time.monotonic()
    if in_thread:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(10)
    else:
        call()
    assert time.monotonic() - started < 5 and "not done after 0.2 s" in str(caught[0])


def test_results_and_other_errors_pass():
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


def test_no_interruption_arrives_after_the_call():
    outcomes = set()
    for number in range(60):
        pause = 0.0005 * (number % 20)
        try:
            outcomes.add(within(0.005, lambda pause=pause: time.sleep(pause) or "done"))
        except TimeLimitError:
            outcomes.add("late")
        for _ in range(200):
            sum(range(50))  # a late interruption would end the test here
    assert outcomes == {"done", "late"}
