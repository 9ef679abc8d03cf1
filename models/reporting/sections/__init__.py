"""The sections of the report, in reading order: each reads its own part of a run and says what it shows."""

from __future__ import annotations

from collections.abc import Callable

from ambivox.models.reporting.parts import Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.sections.closing import examples, provenance
from ambivox.models.reporting.sections.distributions import pooling, sparse_votes, validation
from ambivox.models.reporting.sections.material import annotation, corpus
from ambivox.models.reporting.sections.training import augmentation, finetuning

#: The sections between the headline and the examples.
BODY: tuple[Callable[[Run], Section], ...] = (
    corpus,
    annotation,
    pooling,
    validation,
    sparse_votes,
    augmentation,
    finetuning,
)

__all__ = ["BODY", "examples", "provenance"]
