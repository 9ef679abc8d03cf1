"""Fixtures shared by the tests of several folders."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from ambivox.models.logs import LOG_LEVEL
from ambivox.models.processes import children, watchdog
from tests.support.annotation_fixtures import make_utterances, small_alm, vllm_engine
from tests.support.annotation_runs import fresh_engine, run_annotate
from tests.support.browser import browser
from tests.support.s3_server import flaky_s3, s3
from tests.support.tiny_fixtures import demo_corpus, tiny_alm
from tests.support.workers import WorkScheduling, sort_long_first

__all__ = [
    "browser",
    "demo_corpus",
    "flaky_s3",
    "fresh_engine",
    "make_utterances",
    "run_annotate",
    "s3",
    "small_alm",
    "tiny_alm",
    "vllm_engine",
]

# No test reads the public model hub, even where there is one: every run sees the same.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_CACHE"] = str(Path(tempfile.gettempdir()) / "ambivox-tests-have-no-hub")

# On a machine that others use, an example may take longer than Hypothesis allows.
hypothesis.settings.register_profile("ambivox", deadline=None)
hypothesis.settings.load_profile("ambivox")

# Under nohup, or in the background of a shell, these signals are ignored, in the programs that tests start, too.
for _signal, _handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _handler)


@pytest.fixture(autouse=True)
def own_log_level() -> Iterator[None]:
    """A command that a test runs in this process with -q leaves its level in the environment, for what it starts."""
    yield
    os.environ.pop(LOG_LEVEL, None)


@pytest.fixture(autouse=True)
def no_mark_of_another_command() -> Iterator[None]:
    """A flow that a test runs in this process marks what it starts; commands of later tests are started by no other."""
    outer = os.environ.get(watchdog.VARIABLE)
    marks = list(children._marks)
    yield
    children._marks[:] = marks
    if outer is None:
        os.environ.pop(watchdog.VARIABLE, None)
    else:
        os.environ[watchdog.VARIABLE] = outer


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests come first where several processes share the work."""
    if hasattr(config, "workerinput"):
        sort_long_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkScheduling:
    """Files of tests, and those that share an engine, stay in one process."""
    return WorkScheduling(config, log)
