"""vLLM's process hangs, and is killed as the system kills it out of memory: one line each, and no endless wait."""

from __future__ import annotations

import os
import queue
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ambivox.models.engines import EngineChoice, close_engines, open_engine
from ambivox.models.engines.vllm import silence
from ambivox.models.engines.vllm.silence import EngineSilentError, WatchedQueue
from ambivox.models.errors import UserError
from tests.support.engine_requests import make_requests


@pytest.mark.engine
def test_an_engine_that_hangs_or_is_killed_is_named_and_the_next_one_answers(
    small_alm: Path, fresh_engine: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    choice = EngineChoice("vllm", str(small_alm))
    engine = open_engine(choice)
    (core,) = (
        process
        for process in psutil.Process().children(recursive=True)
        if process.pid not in before and "EngineCore" in " ".join([process.name(), *process.cmdline()])
    )
    requests = make_requests(tmp_path)
    try:
        os.kill(core.pid, signal.SIGSTOP)
        monkeypatch.setattr(silence, "LONGEST_STEP_SECONDS", 1.5)
        with pytest.raises(UserError, match=r"vLLM failed \(no answer for 2 s\); stored answers are kept"):
            engine.score(requests)
        monkeypatch.undo()
        os.kill(core.pid, signal.SIGKILL)
        started = time.monotonic()
        with pytest.raises(
            UserError, match=r"vLLM failed .*stored answers are kept, and the same command resumes"
        ):
            engine.score(requests)
        assert time.monotonic() - started < 20
    finally:
        close_engines()
    assert not psutil.pid_exists(core.pid) or core.status() == psutil.STATUS_ZOMBIE


def test_a_queue_of_a_dead_process_is_emptied_and_then_ends() -> None:
    outputs: queue.Queue[str] = queue.Queue()
    resources = SimpleNamespace(engine_dead=False)
    watched = WatchedQueue(outputs, resources)
    outputs.put("first")
    outputs.put("last")
    assert watched.get() == "first"
    resources.engine_dead = True
    assert watched.get() == "last"
    with pytest.raises(EngineSilentError, match="its process has ended"):
        watched.get()
    assert watched.qsize() == 0
