"""Ambivox: trustworthy emotion distributions from a few human votes and audio-language models.

The Python API takes and gives frames::

    import ambivox

    pooled = ambivox.pool(votes, probabilities)

Its functions are in ambivox.models.api and are imported when they are first used. The packages ``ambivox.flows``,
``ambivox.tasks`` and ``ambivox.models`` are links to the top-level folders of the repository. Packages called
``models``, ``tasks`` or ``flows`` in a user's project cannot clash with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ambivox.models.api import (
        UserError,
        annotate,
        dime_aug,
        equivalent_votes,
        load_distributions,
        plan_labels,
        pool,
        validate,
    )

__all__ = [
    "UserError",
    "annotate",
    "dime_aug",
    "equivalent_votes",
    "load_distributions",
    "plan_labels",
    "pool",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ambivox' has no attribute {name!r}")
    from ambivox.models import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
