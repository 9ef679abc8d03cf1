"""How many tokens the engines of this process have read and written, for the record of a run.

Hosted ALMs say what they counted; vLLM's are those of the prompts, where a clip is one token, and those of the engine
transformers are of the prompts with their audio. Nothing is counted for servers.
"""

from __future__ import annotations

_counts: list[int] = []


def add(tokens: int) -> None:
    """Count further tokens."""
    _counts.append(tokens)


def total() -> int:
    """All tokens that were counted so far."""
    return sum(_counts)
