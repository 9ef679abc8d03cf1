"""Progress where there is no terminal."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

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


def test_notes_of_others_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=shown, force_terminal=True, width=120))
    with progress.bar() as display:
        display.add_task("[b]clips[/]", total=1, note="server [red]1.0[/red] [/]")
    assert "[b]clips[/]" in shown.getvalue()
    assert "server [red]1.0[/red] [/]" in shown.getvalue()


def test_short_work_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ambivox.models.progress"):
        assert list(progress.track(range(3), "counting")) == [0, 1, 2]
    assert not caplog.messages
