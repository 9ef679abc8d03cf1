"""What a run on a hosted ALM has spent so far, its pace, and the time that is left: a line of the log now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.journal import Spent
from ambivox.models.prompting.hosted_spec import Hosted

_logger = logging.getLogger(__name__)
# Seconds from the first answer to the first line, and between two lines.
_FIRST_LINE_SECONDS, _LINE_SECONDS = 10.0, 30.0
# Fewer answers say nothing about the pace.
_FEWEST_FOR_PACE = 3


class Meter:
    """Threads share one object.

    Args:
        hosted: has the prices.
        spent: what the answers took that the journal held when the run began.
        expected: how many answers the run needs, for the time that is left; None where that is not known.
        clock: the time in seconds.
    """

    def __init__(
        self,
        hosted: Hosted,
        spent: Spent,
        expected: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosted = hosted
        self._spent = spent
        self._expected = expected
        self._answered = 0
        self._paid = 0
        self._clock = clock
        self._first_answer: float | None = None
        self._next_line = 0.0
        self._lock = threading.Lock()

    @property
    def cost(self) -> float | None:
        """US dollars so far, those of earlier runs included; None where prices are not known."""
        return self._spent.cost(self._hosted)

    def cost_of(self, requests: int, *, in_batch: bool) -> float | None:
        """About what further requests cost, by the mean of those so far; None where that is not known.

        Args:
            requests: how many.
            in_batch: whether they are sent as a batch.
        """
        with self._lock:
            spent, full = self._spent, self._spent.usage.cost(self._hosted.prices)
        if full is None or not spent.requests:
            return None
        return requests * full / spent.requests * (self._hosted.batch_price if in_batch else 1.0)

    def add(self, answer: Answer | None) -> None:
        """Count an answer.

        Args:
            answer: the answer; None for one of the journal, which costs nothing now.
        """
        with self._lock:
            self._answered += 1
            if answer is None:
                return
            self._paid += 1
            self._spent = replace(
                self._spent,
                requests=self._spent.requests + 1,
                usage=self._spent.usage + answer.usage,
                in_batches=self._spent.in_batches + (answer.usage if answer.in_batch else Usage()),
            )
            now = self._clock()
            if self._first_answer is None:
                self._first_answer = now
                self._next_line = now + _FIRST_LINE_SECONDS
            if now < self._next_line:
                return
            self._next_line = now + _LINE_SECONDS
        _logger.info(self.describe())

    def describe(self) -> str:
        """Answers, cost and tokens so far, requests per minute, and the time left, in one line."""
        with self._lock:
            spent, answered, expected = self._spent, self._answered, self._expected
            per_minute = self._per_minute()
        of_expected = "" if expected is None else f" of about {expected}"
        cost = spent.cost(self._hosted)
        price = "cost not known" if cost is None else f"{cost:.4f} USD so far"
        prices = self._hosted.prices
        if spent.usage.cached and prices is not None and prices.cached_share == 1.0:
            price += ", cached tokens at the full price"
        pace = ""
        if per_minute:
            pace = f", {per_minute:.0f} requests per minute"
            if expected is not None and answered < expected:
                pace += f", about {(expected - answered) / per_minute:.0f} min left"
        return f"{answered}{of_expected} answers, {price} ({spent.usage.describe()}){pace}"

    def _per_minute(self) -> float | None:
        """The pace since the first answer; before it, requests were only sent, and would make the pace too low."""
        if self._first_answer is None or self._paid < _FEWEST_FOR_PACE:
            return None
        seconds = self._clock() - self._first_answer
        return 60.0 * (self._paid - 1) / seconds if seconds > 0 else None
