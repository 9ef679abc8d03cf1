"""Hosted ALMs in providers' lists of models, as OpenAI, Google, OpenRouter and Mistral document them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ambivox.models.alms import alms
from ambivox.models.annotator_registry import models_source
from ambivox.models.annotator_registry.candidate import Candidate, SourceError
from ambivox.models.annotator_registry.watch import list_candidates
from ambivox.models.errors import UserError
from tests.support.hosted_server import HostedServer, Personality

TODAY = datetime.now(UTC)
LATER, EARLIER = TODAY + timedelta(days=40), TODAY - timedelta(days=1)


@pytest.fixture
def server() -> Iterator[HostedServer]:
    running = HostedServer()
    yield running
    running.close()


def offered(server: HostedServer, *models: dict[str, Any], query: str = "") -> list[Candidate]:
    server.models = list(models)
    return list_candidates(f"models:{server.url}{query}", timeout_seconds=3)


def test_a_list_of_names_offers_those_that_hear_by_their_name(server: HostedServer) -> None:
    found = offered(
        server,
        {"id": "gpt-audio-2", "object": "model", "created": 1_780_000_000, "owned_by": "system"},
        {"id": "gpt-9", "object": "model", "created": 1_780_000_000},
        {"id": "qwen9-omni", "object": "model"},
    )
    assert [(one.alm, one.version) for one in found] == [
        ("hosted:gpt-audio-2", "gpt-audio-2@1780000000"),
        ("hosted:qwen9-omni", "qwen9-omni"),
    ]
    assert all(one.server == server.url and one.is_hosted for one in found)


def test_a_pattern_chooses_names_where_a_list_says_nothing(server: HostedServer) -> None:
    google = [
        {"id": f"models/{name}", "owned_by": "google"} for name in ("gemini-9-pro", "gemini-9-flash", "veo-4")
    ]
    assert [one.alm for one in offered(server, *google, query=",name=gemini-*")] == [
        "hosted:gemini-9-flash",
        "hosted:gemini-9-pro",
    ]
    assert not offered(server, *google)


def test_inputs_prices_and_shutdown_of_a_gateway(server: HostedServer) -> None:
    entry = {
        "id": "vendor/hears",
        "created": 5,
        "architecture": {"input_modalities": ["text", "audio"]},
        "pricing": {"prompt": "0.0000003", "completion": "0.0000025", "audio": "0.000001"},
        "expiration_date": LATER.date().isoformat(),
    }
    reads = {"id": "vendor/reads-audio-books", "architecture": {"input_modalities": ["text"]}}
    (one,) = offered(server, entry, reads)
    assert one.prices == (0.3, 1.0, 2.5)
    assert one.shutdown == LATER.date().isoformat()


@pytest.mark.parametrize(
    ("field", "value", "is_gone"),
    [
        pytest.param("deprecation", LATER.isoformat(), False, id="later"),
        pytest.param("deprecation", EARLIER.isoformat(), True, id="earlier"),
        pytest.param("shutdown_date", EARLIER.timestamp(), True, id="earlier, in seconds"),
        ("retirement_date", "", False),
        ("expiration_date", None, False),
        ("expiration_date", "one day", False),
        ("expiration_date", 1e300, False),
        ("expiration_date", [2026], False),
    ],
)
def test_what_is_shut_down_is_not_offered(
    server: HostedServer, field: str, value: Any, is_gone: bool
) -> None:
    found = offered(server, {"id": "m", "capabilities": {"audio": True}, field: value})
    assert bool(found) is not is_gone


@pytest.mark.parametrize(
    "pricing",
    [
        None,
        {},
        {"prompt": "free"},
        {"prompt": "-1", "completion": "-1"},
        {"prompt": None, "completion": "0.1"},
        "cheap",
    ],
)
def test_prices_that_cannot_be_read_are_not_known(server: HostedServer, pricing: Any) -> None:
    (one,) = offered(server, {"id": "an-audio-model", "pricing": pricing})
    assert one.prices == ()
    (one,) = offered(server, {"id": "an-audio-model", "pricing": pricing}, query=",prices=0.3/1/2.5")
    assert one.prices == (0.3, 1.0, 2.5)


@pytest.mark.parametrize(
    "name",
    ["$(touch pwned)-audio", "a b audio", "", "audio\x1b[2J", "x" * 300 + "audio", None, 7, "audio;ls"],
)
def test_a_name_that_no_alm_has_is_left_out(server: HostedServer, name: Any) -> None:
    assert [one.alm for one in offered(server, {"id": name}, {"id": "fine-audio"})] == ["hosted:fine-audio"]


def test_an_alm_of_this_project_is_offered_by_its_key(
    server: HostedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = alms()["gemini_2_5_flash"]
    assert spec.hosted is not None
    moved = replace(spec, hosted=replace(spec.hosted, base_url=server.url))
    monkeypatch.setattr(models_source, "alms", lambda: {"gemini_2_5_flash": moved})
    server.personality = Personality(key="k")
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    (one,) = offered(server, {"id": "models/gemini-2.5-flash"})
    assert (one.alm, one.prices) == ("gemini_2_5_flash", ())
    monkeypatch.setenv("GEMINI_API_KEY", "wrong")
    with pytest.raises(UserError, match="check GEMINI_API_KEY"):
        offered(server, {"id": "models/gemini-2.5-flash"})


@pytest.mark.parametrize("models", ["text", {"a": 1}, 7, None])
def test_another_answer_is_no_list(server: HostedServer, models: Any) -> None:
    server.models = models
    with pytest.raises(SourceError, match="not a list of models"):
        list_candidates(f"models:{server.url}", timeout_seconds=0.5)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_provider_that_fails_is_a_source_that_fails(server: HostedServer, status: int) -> None:
    server.list_status = status
    with pytest.raises(SourceError, match=f"status {status}"):
        list_candidates(f"models:{server.url}", timeout_seconds=0.5)


@pytest.mark.parametrize(
    "source",
    [
        "models:",
        "models:ftp://x",
        "models:http://x,nme=a",
        "models:http://x,name=",
        "models:http://x,prices=1/2",
        "models:http://x,prices=a/b/c",
    ],
)
def test_a_malformed_source_is_one_line(source: str) -> None:
    with pytest.raises(UserError, match=r"expected|not an address") as raised:
        list_candidates(source)
    assert "\n" not in str(raised.value)
