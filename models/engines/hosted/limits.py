"""The pace of requests: per minute, tokens per minute, and how many at the same time.

Limits come from the ALM's file and from the provider's headers. How many requests are open at the same time adapts: it
is halved where the provider throttles, and grows by one after as many answers as are open.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

MAX_OPEN = 32
_FIRST_OPEN = 8
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_PAUSE_SECONDS = 300.0


class Limits:
    """Threads share one object.

    Args:
        requests_per_minute: at most; None without a limit.
        tokens_per_minute: at most; None without a limit.
        longest_pause_seconds: what a provider says keeps all from asking this long at most after its last answer, and never
            longer than 5 minutes.
    """

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        longest_pause_seconds: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._longest_pause_seconds = min(longest_pause_seconds, _LONGEST_PAUSE_SECONDS)
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self.most_open = float(_FIRST_OPEN)
        self._open = 0
        self._next_start = 0.0
        self._throttled_since: float | None = None
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, tokens: float) -> Iterator[None]:
        """Wait until a request may be sent; it counts as open in the block.

        Args:
            tokens: about how many tokens it takes.
        """
        with self._changed:
            while self._open >= int(self.most_open) or (wait := self._next_start - time.monotonic()) > 0:
                self._changed.wait(None if self._open >= int(self.most_open) else wait)
            self._open += 1
            gap = 60.0 / self.requests_per_minute if self.requests_per_minute else 0.0
            if self.tokens_per_minute:
                gap = max(gap, 60.0 * tokens / self.tokens_per_minute)
            self._next_start = max(self._next_start, time.monotonic()) + gap
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def answered(self, headers: Mapping[str, str]) -> None:
        """An answer came: more may be open, and its headers may name limits.

        Args:
            headers: header fields with lower-case names.
        """
        with self._changed:
            self._throttled_since = None
            self.most_open = min(self.most_open + 1 / max(self.most_open, 1.0), MAX_OPEN)
            for kind in ("requests", "tokens"):
                remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
                reset = seconds_of(headers.get(f"x-ratelimit-reset-{kind}", ""))
                if remaining is not None and remaining <= 0 and reset:
                    self._pause(reset)
            self._changed.notify_all()

    def throttled(self, retry_after: float | None) -> None:
        """The provider refuses for now: fewer are open, and all wait.

        Args:
            retry_after: seconds that the provider names, or None.
        """
        with self._changed:
            self.most_open = max(self.most_open / 2, 1.0)
            if self._throttled_since is None:
                self._throttled_since = time.monotonic()
            if retry_after:
                self._pause(retry_after)
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        now = time.monotonic()
        # Refusals one after the other must not add up: each request would wait for those before it.
        since = now if self._throttled_since is None else self._throttled_since
        until = min(now + seconds, since + self._longest_pause_seconds)
        self._next_start = max(self._next_start, until)


def seconds_of(text: str) -> float | None:
    """A duration as providers write it in headers, in seconds; None where it is none.

    Args:
        text: seconds, or numbers with the units h, m, s and ms.

    Examples:
        >>> seconds_of("1m30s"), seconds_of("250ms"), seconds_of("2"), seconds_of("soon")
        (90.0, 0.25, 2.0, None)
    """
    number = _number(text)
    if number is not None:
        return number
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", text)
    if not parts or "".join(value + unit for value, unit in parts) != text.strip():
        return None
    return sum(float(value) * _UNITS[unit] for value, unit in parts)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r" *[0-9]{1,9}(\.[0-9]{1,9})? *", text) else None
