"""Batch files: canaries, wrong keys, rows without an answer, expired jobs, restarts, and the price."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal
from ambivox.models.engines import hosted as package
from ambivox.models.engines.hosted import batches
from ambivox.models.engines.hosted.batch_api import BatchState
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.hosted.gemini_batch import GeminiBatch
from ambivox.models.engines.hosted.journal import forget_audio
from ambivox.models.engines.hosted.openai_batch import OpenAiBatch
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support.hosted_batches import BatchDesk
from tests.support.hosted_server import HostedServer, Personality

LABELS = ("anger", "happiness", "neutral", "sadness")
COUNT = 60
SAMPLED = [GenerationSettings(0.7, seed, 1, choices="ABCD") for seed in range(COUNT)]
PRICES = (1.0, 2.0, 3.0)
# 50 text, 80 audio and 9 output tokens per request.
USD = (50 * 1.0 + 80 * 2.0 + 9 * 3.0) / 1e6


@pytest.fixture(params=["openai", "gemini"])
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whose batches are used."""
    if request.param == "gemini":
        pytest.importorskip("google.genai")
        monkeypatch.setenv("GEMINI_API_KEY", "k-gemini")
    return str(request.param)


@pytest.fixture
def server(provider: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedServer]:
    monkeypatch.setattr(batches, "_FIRST_POLL_SECONDS", 0.02)
    running = HostedServer()
    if provider == "gemini":
        running.personality = Personality(key="k-gemini")
    yield running
    running.close()


@pytest.fixture
def desk(server: HostedServer, provider: str) -> BatchDesk:
    return server.gemini_desk if provider == "gemini" else server.desk


@pytest.fixture
def engine(server: HostedServer, provider: str, tmp_path: Path) -> Callable[..., HostedEngine]:
    """``engine(**fields)`` connects to the server, with batches, and a journal in ``tmp_path``."""

    def start(**fields: object) -> HostedEngine:
        alm, url = "hosted:some-model", server.url
        if provider == "gemini":
            alm, url = "gemini_2_5_flash", server.gemini_url
        choice = EngineChoice("hosted", alm, url, 5.0, tmp_path / "hosted.sqlite")
        return package.start(replace(choice, **({"batch": True, "prices": PRICES} | fields)))  # type: ignore[arg-type]

    return start


def requests(count: int = COUNT) -> list[Request]:
    """Requests about ``count`` different clips."""
    prompt = build_prompts(LABELS, BUILT_IN[:1], 1, elicitation="sampled")[0]
    rng = np.random.default_rng(0)
    clips = rng.uniform(-0.5, 0.5, (count, 1600)).astype(np.float32)
    return [Request(prompt, clip, f"{i:064x}:0") for i, clip in enumerate(clips)]


def submitted(engine: HostedEngine) -> HostedEngine:
    engine.submitter().generate(requests(), SAMPLED)
    return engine


def test_a_batch_gives_the_answers_of_single_requests_at_half_the_price(
    server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine], tmp_path: Path
) -> None:
    alone = engine(batch=False, journal=tmp_path / "alone.sqlite").generate(requests(), SAMPLED)
    asked_alone = server.served
    connected = submitted(engine())
    assert server.served == asked_alone + 20  # the canaries
    assert connected.generate(requests(), SAMPLED) == alone
    assert len(desk.batches) == 1 and len(desk.asked()) == COUNT + 20
    spent = connected.asker.spent()
    assert spent.requests == COUNT + 20
    assert spent.cost(connected.hosted) == pytest.approx((20 + 0.5 * COUNT) * USD)
    assert connected.asker.meter.cost == pytest.approx((20 + 0.5 * COUNT) * USD)


def test_names_and_order_of_rows_tell_nothing(
    server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    submitted(engine())
    names, bodies = zip(*desk.asked(), strict=True)
    names = list(names)
    assert names != sorted(names) and len(set(names)) == COUNT + 20
    # Canaries are the rows at temperature 0; they are not together.
    places = [place for place, line in enumerate(bodies) if line["temperature"] == 0]
    assert len(places) == 20 and places[-1] - places[0] > 30
    seeds = [body["seed"] for body in bodies if body["temperature"]]
    assert seeds != sorted(seeds)


@pytest.mark.parametrize("provider", ["openai"], indirect=True)
def test_the_lines_are_what_vllm_run_batch_takes(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    run_batch = pytest.importorskip("vllm.entrypoints.launchers.run_batch")
    submitted(engine())
    for line in server.desk.files["file-0"].splitlines()[:3]:
        row = run_batch.BatchRequestInput.model_validate_json(line)
        assert row.url == "/v1/chat/completions" and row.body.model == "some-model"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wrong keys", "canary clips have the answer that they had when asked alone"),
        ("twice", "twice"),
        ("unknown", "'somebody-elses', which was not asked"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_and_nothing_of_it_is_used(
    fault: str, words: str, server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    desk.fault = fault
    connected = submitted(engine())
    with pytest.raises(UserError, match=words) as raised:
        connected.generate(requests(), SAMPLED)
    assert "\n" not in str(raised.value)
    assert connected.asker.spent().requests == 20
    # The same run again asks one by one what no batch has answered; the refused batch is not looked at again.
    assert not any(isinstance(text, Refusal) for text in connected.generate(requests(), SAMPLED))
    assert len(desk.batches) == 1


@pytest.mark.parametrize("fault", ["expired", "half expired", "row errors"])
def test_rows_without_an_answer_are_asked_alone_and_refused_rows_are_refusals(
    fault: str, server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    desk.fault = fault
    connected = submitted(engine())
    served = server.served
    texts = connected.generate(requests(), SAMPLED)
    refusals = sum(isinstance(text, Refusal) for text in texts)
    if fault != "row errors":
        assert not refusals
        alone = [body for body in server.bodies if body["temperature"]]
        assert len(alone) == COUNT  # every row once, in the batch or alone
        assert server.served > served
    else:
        assert 8 <= refusals <= 20
        assert "the audio cannot be decoded" in next(text for text in texts if isinstance(text, Refusal))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("failed", r"failed \((line 3 is too long|no reason given)\)"),
        ("cut", "is no JSON object"),
        ("not offered", "refuses the batch"),
    ],
)
def test_a_batch_that_fails_as_a_whole_is_one_line(
    fault: str, words: str, server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    desk.fault = fault
    connected = engine()
    with pytest.raises(UserError, match=words) as raised:
        submitted(connected).generate(requests(), SAMPLED)
    assert "\n" not in str(raised.value)


def test_a_later_process_fetches_what_an_earlier_one_submitted(
    server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    submitted(engine()).close()
    later = submitted(engine())  # nothing is submitted twice
    assert len(desk.batches) == 1
    served = server.served
    later.generate(requests(), SAMPLED)
    assert server.served == served + COUNT + 20 and len(desk.batches) == 1


def test_a_batch_whose_start_was_not_heard_of_is_found_and_not_paid_twice(
    server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    desk.fault = "lost"
    submitted(engine()).generate(requests(), SAMPLED)
    assert desk.created == 1


@pytest.mark.parametrize("is_known_to_provider", [True, False])
def test_a_process_that_ends_while_it_submits(
    is_known_to_provider: bool,
    provider: str,
    server: HostedServer,
    desk: BatchDesk,
    engine: Callable[..., HostedEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api_class = GeminiBatch if provider == "gemini" else OpenAiBatch
    start = api_class.start

    def killed(api: OpenAiBatch | GeminiBatch, content: bytes, job: str) -> BatchState:
        if is_known_to_provider:
            start(api, content, job)
        raise KeyboardInterrupt

    monkeypatch.setattr(api_class, "start", killed)
    with pytest.raises(KeyboardInterrupt):
        submitted(engine())
    monkeypatch.setattr(api_class, "start", start)
    texts = engine().generate(requests(), SAMPLED)
    assert not any(isinstance(text, Refusal) for text in texts)
    assert desk.created == is_known_to_provider
    assert len([body for body in server.bodies if body["temperature"]]) == COUNT


def test_the_limit_of_cost_holds_before_a_batch_is_submitted(
    server: HostedServer, desk: BatchDesk, engine: Callable[..., HostedEngine]
) -> None:
    connected = engine(max_cost=40 * USD)
    with pytest.raises(UserError, match="would bring the cost to about"):
        submitted(connected)
    assert not desk.batches


def test_another_model_in_a_batch_stops_the_run(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = submitted(engine())
    server.personality = replace(server.personality, model="some-model-3-pro")
    with pytest.raises(UserError, match=r"asked for .*, but some-model-3-pro answered"):
        connected.generate(requests(), SAMPLED)
    connected.close()
    successor = engine(answered_by="some-model-3-pro")
    served = server.served
    successor.generate(requests(), SAMPLED)
    assert server.served == served  # the batch is paid once


def test_an_open_batch_is_named_where_it_would_be_paid_twice(
    server: HostedServer, engine: Callable[..., HostedEngine], caplog: pytest.LogCaptureFixture
) -> None:
    submitted(engine()).close()
    with caplog.at_level("WARNING", logger="ambivox"):
        engine(batch=False)
    assert "1 batch is not fetched yet" in caplog.text


def test_a_forgotten_clip_leaves_open_batches(
    server: HostedServer, engine: Callable[..., HostedEngine], tmp_path: Path
) -> None:
    submitted(engine()).close()
    forgotten = requests()[5].audio_name[:64]
    forget_audio(tmp_path / "hosted.sqlite", {forgotten})
    assert forgotten.encode() not in (tmp_path / "hosted.sqlite").read_bytes()


@pytest.mark.parametrize("provider", ["gemini"], indirect=True)
def test_what_gemini_blocks_is_a_refusal(server: HostedServer, engine: Callable[..., HostedEngine]) -> None:
    connected = submitted(engine())
    server.gemini_desk.blocks = True
    texts = connected.generate(requests(), SAMPLED)
    assert all(isinstance(text, Refusal) and text == "(blocked: PROHIBITED_CONTENT)" for text in texts)


@pytest.mark.parametrize("provider", ["gemini"], indirect=True)
def test_gemini_addresses_in_the_environment_are_not_used(
    server: HostedServer,
    desk: BatchDesk,
    engine: Callable[..., HostedEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_API_KEY": "another",
        "GOOGLE_GENAI_API_VERSION": "v9",
    }.items():
        monkeypatch.setenv(name, value)
    submitted(engine())
    assert desk.created == 1


@pytest.mark.parametrize("provider", ["gemini"], indirect=True)
def test_a_missing_google_genai_is_one_line(
    engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.genai", None)
    monkeypatch.delattr("google.genai", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'ambivox\[gemini\]'"):
        engine()
    engine(batch=False).close()


def test_stored_answers_need_no_key_and_no_further_ones_are_asked_for(
    provider: str,
    server: HostedServer,
    engine: Callable[..., HostedEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = submitted(engine()).generate(requests(), SAMPLED)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    served = server.served
    for batch in (False, True):
        connected = engine(batch=batch)
        assert connected.generate(requests(), SAMPLED) == answers
        if provider == "gemini":
            further = [replace(setting, seed=setting.seed + 1000) for setting in SAMPLED]
            with pytest.raises(UserError, match="GEMINI_API_KEY, which is not set"):
                connected.generate(requests(), further)
    assert server.served == served
