"""A hub to which releases are published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.hub_repositories import WRITE_TOKEN
from tests.support.hub_server import HubServer


@contextmanager
def writable_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running hub that the environment names, with a token that may write."""
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield server
    server.close()
