"""Whether a model can be had from the hub is known within seconds."""

from __future__ import annotations

import socket
import time

import pytest

from ambivox.models.alms import resolve
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat


def test_a_hub_that_cannot_be_reached_is_one_line_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    with socket.socket() as probe:  # nothing listens there
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{probe.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(UserError, match=r"Qwen2-Audio.*not in the cache.*127.0.0.1.*folder") as refused:
            load_chat(resolve("qwen2_audio"))
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 60  # without the check, minutes
