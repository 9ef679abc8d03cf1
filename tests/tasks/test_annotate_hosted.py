"""The step annotate with a hosted ALM: consent, cost, the paper's procedure, and what is left of a run that stops."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest

from ambivox.models.engines import close_engines
from ambivox.models.engines.hosted import batches, journal_file
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.errors import OutageError, UserError
from tests.support.annotation_runs import ALL_SPLITS, read_annotations, read_checks
from tests.support.hosted_server import PERSONALITIES, HostedServer
from tests.support.steps import annotate

# 30 clips x 10 votes; for the checks, in two orders, 30 clips with right and with swapped audio, and 4 transcripts alone.
REQUESTS = 30 * 10 + 2 * (30 + 30 + 4)


@pytest.fixture
def server() -> Iterator[HostedServer]:
    running = HostedServer(PERSONALITIES["gemini"])
    yield running
    running.close()


@pytest.fixture
def run(
    tmp_path: Path,
    fresh_engine: None,
    server: HostedServer,
    make_utterances: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Path]]:
    """``run(**options)`` annotates 30 clips with Gemini 2.5 Flash as the local server plays it."""
    monkeypatch.setenv("GEMINI_API_KEY", server.personality.key)
    utterances = make_utterances(30)

    def call(name: str = "out", **options: Any) -> Path:
        defaults: dict[str, Any] = {
            "alm": "gemini_2_5_flash",
            "server": server.url,
            "store": str(tmp_path / "store"),
            "splits": ALL_SPLITS,
            "modality": "audio",
            "allow_hosted": True,
            "max_cost": 1.0,
            "shard": 64,
        }
        return annotate(**({"utterances": utterances, "out": tmp_path / name} | defaults | options))

    yield call
    close_engines()


def test_voices_are_not_sent_without_consent(run: Callable[..., Path], server: HostedServer) -> None:
    with pytest.raises(UserError, match="--allow-hosted"):
        run(allow_hosted=False)
    with pytest.raises(
        UserError, match=r"nothing was sent: agree to the cost with --max-cost USD .*, or with --yes"
    ):
        run(max_cost=None)
    assert not server.bodies


def test_a_dry_run_prints_the_price_and_sends_nothing(
    run: Callable[..., Path], server: HostedServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(dry_run=True)
    printed = capsys.readouterr().out
    assert f"{REQUESTS} requests about 30 clips" in printed and "USD" in printed
    assert not server.bodies and not (tmp_path / "out").exists()


def test_neither_the_key_nor_half_a_character_of_an_answer_reaches_a_table_or_a_file(
    run: Callable[..., Path],
    server: HostedServer,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "sk-SECRET-of-a-provider"
    server.personality = replace(server.personality, key=key)
    monkeypatch.setenv("GEMINI_API_KEY", key)
    plain = server.reply

    def repeating(body: dict[str, Any], sent: str) -> tuple[int, dict[str, str], Any]:
        status, headers, content = plain(body, sent)
        if status == 200:
            content["choices"][0]["message"]["content"] += f" \ud83d (your key is {sent})"
        return status, headers, content

    monkeypatch.setattr(server, "reply", repeating)
    address = server.url.replace("http://", "http://me:SECRET-password@") + "?token=SECRET-token"
    out = run(server=server.url)
    responses = read_annotations(out).frame["response"].to_list()
    assert responses and all(response.endswith(" \ufffd (your key is ***)") for response in responses)
    with pytest.raises(UserError, match=r"send the recordings to http://127\.0\.0\.1:\d+/v1; ") as caught:
        run(server=address, allow_hosted=False)
    printed = capfd.readouterr()
    shown = printed.out + printed.err + str(caught.value)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(pl.read_parquet(path).to_dicts()).encode()
        assert b"SECRET" not in content, path
    assert "SECRET" not in shown


def test_the_papers_procedure_is_one_command(
    run: Callable[..., Path], server: HostedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(personas=("paper",), drawn_votes=10)
    annotations = read_annotations(out).frame
    assert annotations.height == 300 and annotations["elicitation"].unique().to_list() == ["sampled"]
    assert annotations["label"].null_count() == 0
    assert annotations["temperature"].n_unique() == 10
    assert annotations["answered_by"].unique().to_list() == ["gemini-2.5-flash"]
    checks = read_checks(out)
    assert checks["audio_sensitive"] is True
    hosted = checks["hosted"]
    assert hosted["requests"] == server.served == REQUESTS
    assert hosted["answered_by"] == ["gemini-2.5-flash"] and hosted["sent_to"] == server.url
    # 10 of 50 text tokens are cached, at a quarter of the price.
    usd = REQUESTS * ((40 + 10 * 0.25) * 0.30 + 80 * 1.00 + 9 * 2.50) / 1e6
    assert hosted["cost_usd"] == pytest.approx(usd, abs=1e-4)
    printed = capsys.readouterr().out
    assert printed.index("USD, in about") < printed.index("requests cost")
    assert f"{REQUESTS} of about {REQUESTS} answers, 0.0" in printed and "requests per minute" in printed
    served = server.served
    assert read_annotations(run("again", personas=("paper",), drawn_votes=10)).frame.equals(annotations)
    assert server.served == served


def test_after_the_pilot_batches_cost_half_and_give_the_same_votes(
    run: Callable[..., Path], server: HostedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_FIRST_POLL_SECONDS", 0.02)
    server.personality = replace(server.personality, refuses=("logprobs", "top_logprobs"))
    alone = run("alone", store=str(tmp_path / "other"), server=server.gemini_url)
    served = server.served
    out = run(batch=True, server=server.gemini_url)
    assert len(server.gemini_desk.batches) >= 1
    assert read_annotations(out).frame.equals(read_annotations(alone).frame)
    assert served < server.served - served < served + 40 * (len(server.gemini_desk.batches) + 1)
    costs = [read_checks(each)["hosted"]["cost_usd"] for each in (alone, out)]
    assert costs[1] < costs[0]


@pytest.mark.parametrize("elicitation", ["sampled", "verbalised"])
def test_a_long_clip_is_asked_in_windows_as_estimated(
    elicitation: str,
    run: Callable[..., Path],
    server: HostedServer,
    make_utterances: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three windows of a clip of 70 s; a sampled vote is about one of them."""
    server.personality = PERSONALITIES["llama.cpp"]
    out = run(
        alm="hosted:my-model",
        utterances=make_utterances(2, seconds=70.0, name="long"),
        elicitation=elicitation,
        drawn_votes=3,
        orders=1,
        personas=("tone",),
        max_cost=None,
        yes=True,
    )
    assert f"{server.served} requests about 2 clips" in capsys.readouterr().out
    assert read_annotations(out).frame["refused"].sum() == 0


def test_refusals_are_counted_and_are_no_votes(
    run: Callable[..., Path], server: HostedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refuse_all = True  # in words that name a label
    out = run()
    annotations = read_annotations(out).frame
    assert annotations["refused"].all() and annotations["label"].null_count() == annotations.height
    assert annotations["response"].str.contains("anger").all()
    assert read_checks(out)["refusals"] == annotations.height
    assert f"none of its {annotations.height} answers names a label" in capsys.readouterr().err


def test_an_estimate_above_the_limit_sends_nothing(run: Callable[..., Path], server: HostedServer) -> None:
    with pytest.raises(UserError, match=r"more than the 0.001 USD of --max-cost; nothing was sent"):
        run(max_cost=0.001)
    assert not server.bodies


def test_the_pilot_corrects_the_estimate(
    run: Callable[..., Path], server: HostedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasoning, which nobody can foresee, makes the answers dearer than estimated."""
    answer = server.reply

    def dear(body: dict[str, Any], key: str) -> Any:
        status, headers, content = answer(body, key)
        if status == 200:
            content["usage"]["completion_tokens"] = 500
        return status, headers, content

    monkeypatch.setattr(server, "reply", dear)
    with pytest.raises(UserError, match=r"is expected to cost .* more than the 0\.4 USD"):
        run(max_cost=0.4)
    assert 0 < server.served < REQUESTS


def test_a_limit_reached_in_mid_run_keeps_what_was_paid(
    run: Callable[..., Path], server: HostedServer
) -> None:
    with pytest.raises(UserError, match="USD"):
        run(max_cost=0.0485)
    served = server.served
    assert served
    run(max_cost=1.0)
    assert server.served == REQUESTS


def test_kill_9_loses_no_paid_answer(
    run: Callable[..., Path], server: HostedServer, tmp_path: Path, make_utterances: Callable[..., Path]
) -> None:
    utterances = make_utterances(30)
    command = [sys.executable, "-m", "ambivox.tasks.annotate", "--utterances", str(utterances)]
    command += ["--alm", "gemini_2_5_flash", "--server", server.url, "--store", str(tmp_path / "store")]
    command += [
        "--out",
        str(tmp_path / "out"),
        "--splits",
        *ALL_SPLITS,
        "--modality",
        "audio",
        "--allow-hosted",
    ]
    command += ["--max-cost", "1", "--shard", "64"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while server.served < 60 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    time.sleep(0.5)
    assert 60 <= server.served < REQUESTS
    run()
    # What was in flight is asked again: at most as many as may be open.
    assert server.served <= REQUESTS + 32


def test_a_journal_that_stays_locked_ends_the_run_as_an_outage_and_the_next_resumes(
    run: Callable[..., Path], server: HostedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_WAIT_SECONDS", 0.5)
    released = Event()

    def lock_in_mid_run() -> None:
        while server.served < 60 and not released.is_set():
            time.sleep(0.005)
        with closing(sqlite3.connect(tmp_path / "store/hosted.sqlite", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            released.wait(60)

    with ThreadPoolExecutor(1) as threads:
        lock = threads.submit(lock_in_mid_run)
        try:
            with pytest.raises(OutageError, match=r"hosted\.sqlite: .* locked by another process"):
                run()
        finally:
            released.set()
        lock.result()
    assert 60 <= server.served < REQUESTS
    run()
    # What was in flight could not be written.
    assert server.served <= REQUESTS + 2 * MAX_OPEN


@pytest.mark.parametrize("engine", ["vllm", "server", "transformers"])
def test_a_hosted_alm_runs_on_no_other_engine(engine: str, run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=f"found --engine {engine}, expected hosted or auto"):
        run(engine=engine)


@pytest.mark.parametrize("alm", ["hosted:", "hosted:a b", "hosted:$(id)", "hosted:" + "x" * 300])
def test_a_name_that_no_server_has_is_refused(alm: str, run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="expected hosted:MODEL"):
        run(alm=alm)


def test_another_model_is_a_revision_of_its_own(run: Callable[..., Path], server: HostedServer) -> None:
    server.personality = replace(server.personality, model="gemini-3-flash")
    with pytest.raises(UserError, match=r"asked for gemini-2\.5-flash, but gemini-3-flash answered"):
        run()
    assert server.served <= 32
    annotations = read_annotations(run(answered_by="gemini-3-flash")).frame
    assert set(annotations["answered_by"]) == set(annotations["revision"]) == {"gemini-3-flash"}
    assert server.served == REQUESTS


def test_any_other_server_is_used_by_its_address(run: Callable[..., Path], server: HostedServer) -> None:
    server.personality = PERSONALITIES["llama.cpp"]
    with pytest.raises(
        UserError, match=r"the prices of hosted:my-model are not known, so --max-cost cannot hold"
    ):
        run(alm="hosted:my-model")
    assert not server.bodies
    out = run(alm="hosted:my-model", elicitation="exact", orders=2, max_cost=None, yes=True)
    annotations = read_annotations(out).frame
    assert annotations["label_mass"].min() > 0.99  # type: ignore[operator]
    assert json.dumps(read_checks(out)["hosted"]).count("None") == 0
    assert read_checks(out)["hosted"]["cost_usd"] is None
    priced = run("priced", alm="hosted:my-model", elicitation="exact", orders=2, prices=(1.0, 2.0, 3.0))
    assert read_checks(priced)["hosted"]["cost_usd"] > 0


@pytest.mark.parametrize("prices", [(1.0,), (1.0, 2.0), (1.0, 2.0, -3.0), (1.0, 2.0, float("nan"))])
def test_prices_are_three_numbers(prices: tuple[float, ...], run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="expected three numbers of US dollars per million"):
        run(prices=prices)
