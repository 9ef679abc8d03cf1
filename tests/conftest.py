"""Fixtures shared by the tests of several folders."""

from tests.support.annotation_fixtures import make_utterances, small_alm, vllm_engine
from tests.support.annotation_runs import fresh_engine, run_annotate
from tests.support.s3_server import flaky_s3, s3
from tests.support.tiny_fixtures import demo_corpus, tiny_alm

__all__ = [
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
