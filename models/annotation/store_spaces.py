"""The spaces of a vote store: which of them a run continues, and which hold answers that it cannot use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ambivox.models.annotation.vote_store import VoteStore, descriptions
from ambivox.models.engines import PROBE

# Nats. A server's answers to the same prompt differ by up to 3e-6 in float32, and by some thousandths in bfloat16, where
# they depend on the batch; those of two checkpoints differ by far more for at least one of the prompts.
PROBE_TOLERANCE = 0.02
# Below this, log-probabilities of tokens that a model never gives are mostly rounding errors.
_LOWEST_LOGPROB = -12.0


def open_space(root: str, space: Mapping[str, Any]) -> VoteStore:
    """Open the space of a store that a run reads and writes.

    Where a space holds a measured identity (PROBE), the first space that agrees with it within PROBE_TOLERANCE, and
    exactly in everything else, is continued.

    Args:
        root: a local folder, or s3://bucket/prefix.
        space: what decides the answers.

    Returns:
        The space. With a measured identity its description is written, so that runs that start now continue it.

    Raises:
        UserError: the store cannot be reached.
    """
    if PROBE not in space.get("engine_identity", {}):
        return VoteStore(root, space)
    store = next((VoteStore(root, other) for other in spaces(root) if _agree(other, space)), None)
    if store is None:
        store = VoteStore(root, space)
        store.describe()
    return store


def unused(root: str, space: Mapping[str, Any]) -> list[str]:
    """What tells the spaces with other answers of the same ALM and revision from this one.

    Args:
        root: a local folder, or s3://bucket/prefix.
        space: the space of a run.

    Returns:
        For each such space the names of the entries that differ, joined by commas.

    Raises:
        UserError: the store cannot be reached.
    """
    return [
        ", ".join(sorted(name for name in other.keys() | space.keys() if other.get(name) != space.get(name)))
        for other in spaces(root)
        if other != space and all(other.get(name) == space.get(name) for name in ("alm", "revision"))
    ]


def spaces(root: str) -> Iterator[dict[str, Any]]:
    """The descriptions of all spaces of a store, in the order of their names; damaged ones are left out."""
    for content in descriptions(root):
        try:
            space = json.loads(content)
        except (ValueError, RecursionError):
            continue
        if isinstance(space, dict):
            yield space


def _agree(other: Mapping[str, Any], space: Mapping[str, Any]) -> bool:
    """Whether two spaces are equal but for measured values that are nearly so."""
    theirs, ours = (dict(each.get("engine_identity") or {}) for each in (other, space))
    probes = [identity.pop(PROBE, None) for identity in (theirs, ours)]
    if {**other, "engine_identity": theirs} != {**space, "engine_identity": ours}:
        return False
    try:
        left, right = (np.maximum(np.array(probe, dtype=float), _LOWEST_LOGPROB) for probe in probes)
    except (TypeError, ValueError):
        return False
    return left.shape == right.shape and bool(np.all(np.abs(left - right) <= PROBE_TOLERANCE))
