"""Progress where there is no terminal."""

from __future__ import annotations

import logging

import pytest

from ambivox.models import progress


def test_a_log_file_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, logger="ambivox.models.progress"):
        for _ in progress.track(range(100), "decoding clips"):
            now[0] += 1.0
    assert caplog.messages == [
        "decoding clips: 10 of 100",
        "decoding clips: 40 of 100",
        "decoding clips: 70 of 100",
        "decoding clips: 100 of 100",
    ]


def test_short_work_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ambivox.models.progress"):
        assert list(progress.track(range(3), "counting")) == [0, 1, 2]
    assert not caplog.messages
