"""What a run on a hosted ALM has spent so far, its pace, and the time that is left: a line of the log now and then."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.journal import Spent
from ambivox.models.prompting.hosted_spec import Hosted

_logger = logging.getLogger(__name__)
# Seconds until the first line, and between two lines.
_FIRST_LINE_SECONDS, _LINE_SECONDS = 10.0, 30.0


class Meter:
    """Threads share one object.

    Args:
        hosted: has the prices.
        spent: what the answers took that the journal held when the run began.
        expected: how many answers the run needs, for the time that is left; None where that is not known.
    """

    def __init__(self, hosted: Hosted, spent: Spent, expected: int | None = None) -> None:
        self._hosted = hosted
        self._spent = spent
        self._expected = expected
        self._answered = 0
        self._paid = 0
        self._started: float | None = None
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

    def begin(self) -> None:
        """The first request is about to be sent; later calls do nothing."""
        with self._lock:
            if self._started is None:
                self._started = time.monotonic()
                self._next_line = self._started + _FIRST_LINE_SECONDS

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
            now = time.monotonic()
            if now < self._next_line:
                return
            self._next_line = now + _LINE_SECONDS
        _logger.info(self.describe())

    def describe(self) -> str:
        """Answers, cost and tokens so far, requests per minute, and the time left, in one line."""
        with self._lock:
            spent, answered, expected = self._spent, self._answered, self._expected
            seconds = time.monotonic() - self._started if self._started is not None else 0.0
            per_minute = 60.0 * self._paid / seconds if seconds else 0.0
        of_expected = "" if expected is None else f" of about {expected}"
        cost = spent.cost(self._hosted)
        price = "cost not known" if cost is None else f"{cost:.4f} USD so far"
        prices = self._hosted.prices
        if spent.usage.cached and prices is not None and prices.cached_share == 1.0:
            price += ", cached tokens at the full price"
        left = ""
        if expected is not None and per_minute:
            left = f", about {max(expected - answered, 0) / per_minute:.0f} min left"
        return f"{answered}{of_expected} answers, {price} ({spent.usage.describe()}), {per_minute:.0f} requests per minute{left}"
