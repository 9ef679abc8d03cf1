"""The engine of hosted ALMs against servers that behave like providers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, GenerationSettings, Refusal, Reply
from ambivox.models.engines import hosted as package
from ambivox.models.engines.hosted.answer import Usage, parse_answer
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.hosted.limits import Limits, seconds_of
from ambivox.models.engines.hosted.top_logprobs import code_logprobs
from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import hosted_alm
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import build_prompts
from ambivox.models.prompting.request import Request
from tests.support.hosted_server import PERSONALITIES, HostedServer, Personality

LABELS = ("anger", "happiness", "neutral", "sadness")
SAMPLED = GenerationSettings(0.7, 5, 1, choices="ABCD")


@pytest.fixture
def server() -> Iterator[HostedServer]:
    running = HostedServer()
    yield running
    running.close()


@pytest.fixture
def engine(server: HostedServer, tmp_path: Path) -> Callable[..., HostedEngine]:
    """``engine(alm, **fields)`` connects to the server with a journal in ``tmp_path``."""

    def start(alm: str = "hosted:some-model", **fields: object) -> HostedEngine:
        choice = EngineChoice("hosted", alm, server.url, 5.0, tmp_path / "paid" / "journal.sqlite")
        return package.start(replace(choice, **fields))  # type: ignore[arg-type]

    return start


def requests(count: int, elicitation: str = "sampled") -> list[Request]:
    """Requests about ``count`` different clips."""
    prompt = build_prompts(LABELS, BUILT_IN[:1], 1, elicitation=elicitation)[0]  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    clips = rng.uniform(-0.5, 0.5, (count, 4000)).astype(np.float32)
    return [Request(prompt, clip, f"{i:064x}:0") for i, clip in enumerate(clips)]


@pytest.mark.parametrize(
    ("personality", "alm", "variable"),
    [
        ("openai", "gpt_audio", "OPENAI_API_KEY"),
        ("gemini", "gemini_2_5_flash", "GEMINI_API_KEY"),
        ("qwen", "qwen_omni_api", "DASHSCOPE_API_KEY"),
        ("llama.cpp", "hosted:some-model", ""),
        ("lm studio", "hosted:some-model", ""),
    ],
)
@pytest.mark.parametrize("elicitation", ["sampled", "verbalised"])
def test_every_provider_answers(
    personality: str,
    alm: str,
    variable: str,
    elicitation: str,
    server: HostedServer,
    engine: Callable[..., HostedEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.personality = PERSONALITIES[personality]
    if variable:
        monkeypatch.setenv(variable, server.personality.key)
    settings = (
        SAMPLED if elicitation == "sampled" else GenerationSettings(0.0, 0, 256, schema={"type": "object"})
    )
    connected = engine(alm)
    texts = connected.generate(requests(6, elicitation), [settings] * 6)
    assert len(set(texts)) > 1 or elicitation == "sampled"
    assert all(text in "ABCD" if elicitation == "sampled" else text.startswith("{") for text in texts)
    spent = connected.asker.spent()
    assert spent.requests == 6
    assert connected.asker.answered_by() == [resolve(alm).alm.hosted.model]  # type: ignore[union-attr]
    if server.personality.counts:
        assert spent.usage == Usage(300, 480, 60, 54, 24) and not spent.uncounted
    else:
        assert spent.usage.audio and spent.uncounted == 6


def test_refused_parameters_are_left_out_once_and_said(
    server: HostedServer, engine: Callable[..., HostedEngine], caplog: pytest.LogCaptureFixture
) -> None:
    server.personality = Personality(refuses=("seed", "temperature", "max_tokens", "max_completion_tokens"))
    connected = engine()
    with caplog.at_level("INFO", logger="ambivox"):
        connected.generate(requests(1), [SAMPLED])
        refused_before = len(server.bodies)
        connected.generate(requests(20)[1:], [SAMPLED] * 19)
    assert len(server.bodies) == refused_before + 19
    assert server.bodies[-1].keys() == {"model", "messages"}
    assert [name in caplog.text for name in ("seed", "temperature", "max_completion_tokens")] == [True] * 3
    assert caplog.text.count("parameter seed") == 1


def test_a_parameter_refused_to_many_at_once_costs_no_answer(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.personality = Personality(refuses=("seed",))
    texts = engine().generate(requests(32), [SAMPLED] * 32)
    assert not any(isinstance(text, Refusal) for text in texts)


@pytest.mark.parametrize("fault", ["429", "429 after 1", "500", "503", "cut", "not json", "529"])
def test_passing_faults_are_retried_without_doubling_a_vote(
    fault: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.faults = ["", fault, "", fault]
    connected = engine(server_timeout_seconds=20.0)
    start = time.monotonic()
    texts = connected.generate(requests(8), [SAMPLED] * 8)
    assert all(text in "ABCD" for text in texts)
    assert connected.asker.spent().requests == 8
    if fault == "429 after 1":
        assert time.monotonic() - start > 0.9


@pytest.mark.parametrize("fault", ["empty", "filter", "refusal", "no choices"])
def test_refusals_are_kept_and_are_no_text(
    fault: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.faults = [fault]
    connected = engine()
    (text,) = connected.generate(requests(1), [SAMPLED])
    assert isinstance(text, Refusal)
    assert connected.asker.spent().requests == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("quota", "no money or quota"),
        ("404", "refuses the request for some-model"),
        ("400", "refuses the request"),
    ],
)
def test_what_no_retry_cures_ends_at_once_in_one_line(
    fault: str, words: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.faults = [fault]
    with pytest.raises(UserError, match=words) as error:
        engine().generate(requests(1), [SAMPLED])
    assert "\n" not in str(error.value)


def test_one_clip_that_the_endpoint_refuses_is_a_refusal(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = engine()
    connected.generate(requests(1), [SAMPLED])
    server.faults = ["413"]
    texts = connected.generate(requests(3)[1:], [SAMPLED] * 2)
    assert sorted(isinstance(text, Refusal) for text in texts) == [False, True]


def test_the_key_is_never_shown(
    server: HostedServer, engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.personality = Personality(key="right")
    monkeypatch.setenv("AMBIVOX_SERVER_KEY", "sk-secret-1234")
    with pytest.raises(UserError, match="AMBIVOX_SERVER_KEY") as error:
        engine().generate(requests(1), [SAMPLED])
    assert "sk-secret" not in str(error.value)


def test_a_missing_key_is_named(engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY, which is not set"):
        engine("gpt_audio").generate(requests(1), [SAMPLED])


def test_stored_answers_need_no_key(
    server: HostedServer, engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.personality = PERSONALITIES["openai"]
    monkeypatch.setenv("OPENAI_API_KEY", "k-openai")
    answers = engine("gpt_audio").generate(requests(3), [SAMPLED] * 3)
    monkeypatch.delenv("OPENAI_API_KEY")
    served = server.served
    assert engine("gpt_audio").generate(requests(3), [SAMPLED] * 3) == answers
    with pytest.raises(UserError, match="OPENAI_API_KEY, which is not set"):
        engine("gpt_audio").generate(requests(4), [SAMPLED] * 4)
    assert server.served == served


def test_a_window_that_no_request_can_hold_is_refused() -> None:
    hosted = resolve("gpt_audio").alm.hosted
    assert hosted is not None
    assert hosted_alm(hosted, tested="", longest_seconds=460.0)
    with pytest.raises(UserError, match=r"a window of 480 s takes 20\.6 MB, and a request at most 20 MB"):
        hosted_alm(hosted, tested="", longest_seconds=480.0)


def test_silence_ends_within_the_time_out(server: HostedServer, engine: Callable[..., HostedEngine]) -> None:
    server.faults = ["hang"] * 20
    start = time.monotonic()
    with pytest.raises(UserError, match="stored answers are kept"):
        engine(server_timeout_seconds=1.0).generate(requests(1), [SAMPLED])
    assert time.monotonic() - start < 10


def test_paid_answers_are_not_asked_again(server: HostedServer, engine: Callable[..., HostedEngine]) -> None:
    first = engine()
    before = first.generate(requests(5), [SAMPLED] * 5)
    first.close()
    asked = len(server.bodies)
    again = engine().generate(requests(7), [SAMPLED] * 7)
    assert again[:5] == before
    assert len(server.bodies) == asked + 2


def test_another_seed_or_temperature_is_another_request(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = engine()
    for setting in (SAMPLED, replace(SAMPLED, seed=6), replace(SAMPLED, temperature=0.2)):
        connected.generate(requests(1), [setting])
    assert connected.asker.spent().requests == 3


@pytest.mark.parametrize("name", ["some-model", "some-model-2026-02-23", "models/some-model"])
def test_a_snapshot_of_the_model_may_answer(
    name: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.personality = Personality(model=name)
    connected = engine()
    connected.generate(requests(1), [SAMPLED])
    assert connected.asker.answered_by() == [name]


def test_another_model_stops_the_run_unless_it_is_expected(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    connected = engine()
    connected.generate(requests(1), [SAMPLED])
    server.personality = Personality(model="some-model-3-pro")
    with pytest.raises(UserError, match="some-model-3-pro answered; paid answers are kept"):
        connected.generate(requests(2), [SAMPLED] * 2)
    assert connected.asker.spent().requests == 1
    successor = engine(answered_by="some-model-3-pro")
    assert successor.version != connected.version
    assert len(successor.generate(requests(2), [SAMPLED] * 2)) == 2


@pytest.mark.parametrize("elicitation", ["sampled", "exact"])
def test_every_answer_carries_the_model_that_gave_it(
    elicitation: str, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.personality = Personality(model="some-model-2026-02-23", top_logprobs=5)
    connected = engine()
    if elicitation == "exact":
        names = connected.score(requests(2, "exact")).answered_by_R
    else:
        texts = connected.generate(requests(2), [SAMPLED] * 2)
        names = tuple(text.answered_by for text in texts if isinstance(text, Reply))
    assert names == ("some-model-2026-02-23",) * 2


@pytest.mark.parametrize("resumed", [False, True])
def test_a_name_that_moves_to_another_snapshot_stops_the_run(
    resumed: bool, server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.personality = Personality(model="some-model-2026-02-23")
    connected = engine()
    connected.generate(requests(1), [SAMPLED])
    if resumed:
        connected.close()
        connected = engine()
    server.personality = Personality(model="some-model-2026-09-01")
    with pytest.raises(UserError, match=r"some-model-2026-02-23 answered before, but some-model-2026-09-01"):
        connected.generate(requests(2), [SAMPLED] * 2)
    connected.close()
    connected = engine()
    server.personality = Personality(model="some-model")  # a gateway that names the alias now and then
    connected.generate(requests(2), [SAMPLED] * 2)


def test_the_answer_of_another_model_is_not_paid_twice(
    server: HostedServer, engine: Callable[..., HostedEngine]
) -> None:
    server.personality = Personality(model="some-model-3-pro")
    with pytest.raises(UserError, match="--answered-by some-model-3-pro"):
        engine().generate(requests(1), [SAMPLED])
    served = server.served
    engine(answered_by="some-model-3-pro").generate(requests(1), [SAMPLED])
    assert server.served == served


def test_the_limit_of_cost_holds_where_no_tokens_are_counted(
    server: HostedServer, engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.personality = replace(PERSONALITIES["gemini"], counts=False)
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    with pytest.raises(UserError, match="USD is reached"):
        engine("gemini_2_5_flash", max_cost=0.001).generate(requests(100), [SAMPLED] * 100)
    assert server.served < 100


def test_what_is_spent_is_counted_per_run(server: HostedServer, engine: Callable[..., HostedEngine]) -> None:
    """Two corpora share a journal; clips 0 and 1 are the second one's."""
    connected = engine()
    connected.generate(requests(6), [SAMPLED] * 6)
    clips = [request.audio_name[:64] for request in requests(2)]
    connected.asker.plan(clips, 10)
    assert connected.asker.spent().requests == connected.asker.spent().clips == 2
    connected.generate(requests(3), [replace(SAMPLED, seed=9)] * 3)
    assert connected.asker.spent().requests == 4
    assert "3 of about 10 answers" in connected.asker.meter.describe()
    assert "requests per minute, about" in connected.asker.meter.describe()


def test_the_cost_limit_holds_in_mid_run(
    server: HostedServer, engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.personality = PERSONALITIES["gemini"]
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    # 50 text, 80 audio and 9 output tokens cost 117.5 millionths.
    connected = engine("gemini_2_5_flash", max_cost=0.001)
    with pytest.raises(UserError, match="USD is reached"):
        connected.generate(requests(200), [SAMPLED] * 200)
    spent = connected.asker.spent()
    alm = resolve("gemini_2_5_flash").alm.hosted
    assert alm is not None
    # Requests in flight when the limit was reached are paid, too.
    assert 0.001 <= (spent.usage.cost(alm.prices) or 0) < 0.001 + 33 * 0.0001175
    assert spent.requests < 50


def test_probabilities_come_from_the_few_tokens_that_are_returned(
    server: HostedServer, engine: Callable[..., HostedEngine], tmp_path: Path
) -> None:
    rows = {}
    for top in (20, 2):
        server.personality = Personality(top_logprobs=top)
        rows[top] = np.exp(engine(journal=tmp_path / f"{top}.sqlite").score(requests(4, "exact")).logprobs_RK)
    assert np.allclose(rows[20].sum(1), 1)
    listed = np.sort(rows[2], axis=1)[:, -2:]
    assert np.allclose(listed, np.sort(rows[20], axis=1)[:, -2:])
    assert (rows[2].sum(1) <= 1).all()


def test_no_log_probabilities_is_one_line(server: HostedServer, engine: Callable[..., HostedEngine]) -> None:
    with pytest.raises(UserError, match="use --elicitation sampled"):
        engine().score(requests(1, "exact"))


@pytest.mark.parametrize("top", [[("A", 0.0)], [("A", -0.1), ("B", -3.0)], [("x", -0.01)], [("A", -9.0)]])
def test_missing_codes_stay_within_their_bounds(top: list[tuple[str, float]]) -> None:
    p_K = np.exp(code_logprobs(top, "ABCD"))
    listed = {token for token, _ in top}
    rest = 1 - sum(np.exp(logprob) for _, logprob in top)
    for code, p in zip("ABCD", p_K.tolist(), strict=True):
        if code not in listed:
            assert p <= min(np.exp(min(logprob for _, logprob in top)), rest) + 1e-11
    assert p_K.sum() <= 1 + 1e-9


def test_requests_wait_for_the_pace() -> None:
    limits = Limits(requests_per_minute=1200, tokens_per_minute=None)
    start = time.monotonic()
    for _ in range(11):
        with limits.turn(1):
            pass
    assert 0.45 < time.monotonic() - start < 3


def test_throttling_halves_what_is_open_and_success_raises_it() -> None:
    limits = Limits(None, None)
    limits.throttled(None)
    assert limits.most_open == 4
    for _ in range(200):
        limits.answered({})
    assert 15 < limits.most_open <= 32


def test_refusals_one_after_the_other_do_not_add_up() -> None:
    limits, started = Limits(None, None, longest_pause_seconds=0.4), time.monotonic()
    for _ in range(4):
        limits.throttled(1e9)
        with limits.turn(1):
            pass
    assert 0.3 < time.monotonic() - started < 1.2
    limits.answered({})
    limits.throttled(0.5)
    with limits.turn(1):
        assert time.monotonic() - started > 0.7


@pytest.mark.parametrize(
    "body", [None, [], {}, {"choices": 3}, {"choices": [{"message": {"content": 7}}]}, "text", 1]
)
def test_a_body_of_another_shape_is_invalid(body: object) -> None:
    from ambivox.models.engines._bounded_http import InvalidResponseError

    with pytest.raises(InvalidResponseError):
        parse_answer(body)


def test_proxies_are_honoured(engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment gets the request, here one that nobody runs."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    connected = engine(url="http://provider.example/v1", server_timeout_seconds=1.0)
    with pytest.raises(UserError, match="ConnectError"):
        connected.generate(requests(1), [SAMPLED])


@pytest.mark.parametrize(("key", "is_sent"), [(" key\n", True), ("schlüssel", False), ("a\nb", False)])
def test_a_key_is_sent_without_white_space_or_refused_without_showing_it(
    engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch, key: str, is_sent: bool
) -> None:
    monkeypatch.setenv("AMBIVOX_SERVER_KEY", key)
    if is_sent:
        assert engine().generate(requests(1), [SAMPLED])[0] in "ABCD"
        return
    with pytest.raises(UserError, match="AMBIVOX_SERVER_KEY: expected printable ASCII") as caught:
        engine()
    assert key not in str(caught.value)


def test_a_proxy_that_no_client_can_use_is_one_line(
    engine: Callable[..., HostedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7891")
    with pytest.raises(UserError, match=r"ALL_PROXY=socks://127\.0\.0\.1:7891: no HTTP client can use this"):
        engine()


def test_a_duration_of_thousands_of_digits_is_none() -> None:
    started = time.process_time()
    assert seconds_of("9" * 60_000) is None
    assert seconds_of("9" * 400 + "h") is None
    assert time.process_time() - started < 5  # tried from every digit, half a minute
