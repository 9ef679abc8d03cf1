"""Fixtures that tests of many folders share."""

from tests.annotation_fixtures import make_utterances, small_alm, vllm_engine
from tests.tiny_fixtures import demo_corpus, tiny_alm

__all__ = ["demo_corpus", "make_utterances", "small_alm", "tiny_alm", "vllm_engine"]
