"""Batch files: canaries, wrong keys, rows without an answer, expired jobs, restarts, and the price."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal
from ambivox.models.engines import hosted as package
from ambivox.models.engines.hosted import batch_api, batches
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.hosted.journal import forget_audio
from ambivox.models.errors import UserError
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support.hosted_server import HostedServer, Personality

LABELS = ("anger", "happiness", "neutral", "sadness")
COUNT = 60
SAMPLED = [GenerationSettings(0.7, seed, 1, choices="ABCD") for seed in range(COUNT)]
PRICES = (1.0, 2.0, 3.0)
# 50 text, 80 audio and 9 output tokens per request.
USD = (50 * 1.0 + 80 * 2.0 + 9 * 3.0) / 1e6


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedServer]:
    monkeypatch.setattr(batches, "_FIRST_POLL_SECONDS", 0.02)
    running = HostedServer()
    yield running
    running.close()


@pytest.fixture
def engine(server: HostedServer, tmp_path: Path) -> Callable[..., HostedEngine]:
    """``engine(**fields)`` connects to the server, with batches, and a journal in ``tmp_path``."""

    def start(**fields: object) -> HostedEngine:
        choice = EngineChoice("hosted", "hosted:some-model", server.url, 5.0, tmp_path / "hosted.sqlite")
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
    server: HostedServer, engine: Callable[..., HostedEngine], tmp_path: Path
) -> None:
    alone = package.start(
        EngineChoice("hosted", "hosted:some-model", server.url, 5.0, tmp_path / "alone.sqlite")
    ).generate(requests(), SAMPLED)
    asked_alone = server.served
    connected = submitted(engine())
    assert server.served == asked_alone + 20  # the canaries
    assert connected.generate(requests(), SAMPLED) == alone
    (batch,) = server.desk.batches.values()
    assert len(server.desk.files[batch["input_file_id"]].splitlines()) == COUNT + 20
    spent = connected.asker.spent()
    assert spent.requests == COUNT + 20
    assert spent.cost(connected.hosted) == pytest.approx((20 + 0.5 * COUNT) * USD)
    assert connected.asker.meter.cost == pytest.approx((20 + 0.5 * COUNT) * USD)


def test_names_and_order_of_rows_tell_nothing(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    submitted(engine())
    lines = [json.loads(line) for line in server.desk.files["file-0"].splitlines()]
    names = [line["custom_id"] for line in lines]
    assert names != sorted(names) and len(set(names)) == COUNT + 20
    # Canaries are the rows at temperature 0; they are not together.
    places = [place for place, line in enumerate(lines) if line["body"]["temperature"] == 0]
    assert len(places) == 20 and places[-1] - places[0] > 30
    seeds = [line["body"]["seed"] for line in lines if line["body"]["temperature"]]
    assert seeds != sorted(seeds)


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
    fault: str, words: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.desk.fault = fault
    connected = submitted(engine())
    with pytest.raises(UserError, match=words) as raised:
        connected.generate(requests(), SAMPLED)
    assert "\n" not in str(raised.value)
    assert connected.asker.spent().requests == 20
    # The same run again asks one by one what no batch has answered; the refused batch is not looked at again.
    assert not any(isinstance(text, Refusal) for text in connected.generate(requests(), SAMPLED))
    assert len(server.desk.batches) == 1


@pytest.mark.parametrize("fault", ["half expired", "row errors"])
def test_rows_without_an_answer_are_asked_alone_and_refused_rows_are_refusals(
    fault: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.desk.fault = fault
    connected = submitted(engine())
    served = server.served
    texts = connected.generate(requests(), SAMPLED)
    refusals = sum(isinstance(text, Refusal) for text in texts)
    if fault == "half expired":
        assert not refusals
        alone = [body for body in server.bodies if body["temperature"]]
        assert len(alone) == COUNT  # every row once, in the batch or alone
        assert server.served > served
    else:
        assert 8 <= refusals <= 20
        assert "the audio cannot be decoded" in next(text for text in texts if isinstance(text, Refusal))


@pytest.mark.parametrize(
    ("fault", "words"),
    [("failed", "line 3 is too long"), ("cut", "is no JSON object"), ("not offered", "refuses the batch")],
)
def test_a_batch_that_fails_as_a_whole_is_one_line(
    fault: str, words: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.desk.fault = fault
    connected = engine()
    with pytest.raises(UserError, match=words) as raised:
        submitted(connected).generate(requests(), SAMPLED)
    assert "\n" not in str(raised.value)


def test_a_later_process_fetches_what_an_earlier_one_submitted(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    submitted(engine()).close()
    later = submitted(engine())  # nothing is submitted twice
    assert len(server.desk.batches) == 1
    served = server.served
    later.generate(requests(), SAMPLED)
    assert server.served == served + COUNT + 20 and len(server.desk.batches) == 1


def test_a_batch_whose_start_was_not_heard_of_is_found_and_not_paid_twice(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.desk.fault = "lost"
    submitted(engine()).generate(requests(), SAMPLED)
    assert server.desk.created == 1


@pytest.mark.parametrize("is_known_to_provider", [True, False])
def test_a_process_that_ends_while_it_submits(
    is_known_to_provider: bool,
    server: HostedServer,
    engine: Callable[..., HostedEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = batch_api.BatchApi.start

    def killed(api: batch_api.BatchApi, content: bytes, job: str) -> batch_api.BatchState:
        if is_known_to_provider:
            start(api, content, job)
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_api.BatchApi, "start", killed)
    with pytest.raises(KeyboardInterrupt):
        submitted(engine())
    monkeypatch.setattr(batch_api.BatchApi, "start", start)
    texts = engine().generate(requests(), SAMPLED)
    assert not any(isinstance(text, Refusal) for text in texts)
    assert server.desk.created == is_known_to_provider
    assert len([body for body in server.bodies if body["temperature"]]) == COUNT


def test_the_limit_of_cost_holds_before_a_batch_is_submitted(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = engine(max_cost=40 * USD)
    with pytest.raises(UserError, match="would bring the cost to about"):
        submitted(connected)
    assert not server.desk.batches


def test_another_model_in_a_batch_stops_the_run(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = submitted(engine())
    server.personality = Personality(model="some-model-3-pro")
    with pytest.raises(UserError, match="asked for some-model, but some-model-3-pro answered"):
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
    assert "1 batches are not fetched yet" in caplog.text


def test_a_forgotten_clip_leaves_open_batches(
    server: HostedServer, engine: Callable[..., HostedEngine], tmp_path: Path
) -> None:
    submitted(engine()).close()
    forgotten = requests()[5].audio_name[:64]
    forget_audio(tmp_path / "hosted.sqlite", {forgotten})
    assert forgotten.encode() not in (tmp_path / "hosted.sqlite").read_bytes()
