"""Fixtures that tests of many folders share."""

from tests.annotation_fixtures import make_utterances, small_alm, vllm_engine

__all__ = ["make_utterances", "small_alm", "vllm_engine"]
