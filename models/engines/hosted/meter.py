"""What a run on a hosted ALM has spent so far, its pace, and the time that is left: a line of the log now and then."""

from __future__ import annotations

import logging
import threading
import time

from ambivox.models.engines.hosted.answer import Usage
from ambivox.models.prompting.hosted_spec import Prices

_logger = logging.getLogger(__name__)
# Seconds until the first line, and between two lines.
_FIRST_LINE_SECONDS, _LINE_SECONDS = 10.0, 30.0


class Meter:
    """Threads share one object.

    Args:
        prices: prices per million tokens; None where they are not known.
        spent: the tokens of the answers that the journal held when the run began.
        expected: how many answers the run needs, for the time that is left; None where that is not known.
    """

    def __init__(self, prices: Prices | None, spent: Usage, expected: int | None = None) -> None:
        self._prices = prices
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
        return self._spent.cost(self._prices)

    def begin(self) -> None:
        """The first request is about to be sent; later calls do nothing."""
        with self._lock:
            if self._started is None:
                self._started = time.monotonic()
                self._next_line = self._started + _FIRST_LINE_SECONDS

    def add(self, usage: Usage | None) -> None:
        """Count an answer.

        Args:
            usage: its tokens; None for an answer of the journal, which costs nothing now.
        """
        with self._lock:
            self._answered += 1
            if usage is None:
                return
            self._paid += 1
            self._spent += usage
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
        cost = spent.cost(self._prices)
        price = "cost not known" if cost is None else f"{cost:.4f} USD so far"
        left = ""
        if expected is not None and per_minute:
            left = f", about {max(expected - answered, 0) / per_minute:.0f} min left"
        return f"{answered}{of_expected} answers, {price} ({spent.describe()}), {per_minute:.0f} requests per minute{left}"
