"""Fixtures that tests of many folders share, and how tests are shared out."""

import pytest

from tests.annotation_fixtures import make_utterances, small_alm, vllm_engine
from tests.s3_server import flaky_s3, s3
from tests.tiny_fixtures import demo_corpus, tiny_alm

__all__ = ["demo_corpus", "flaky_s3", "make_utterances", "s3", "small_alm", "tiny_alm", "vllm_engine"]


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, a folder stays in one of them: its servers and engines start once."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent)))
